"""The plain description of an encoder in a checkpoint, which may be a stranger's."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

# The entries of a specification and their types.
_ENTRIES = {
    "name": (str,),
    "small_images": (bool,),
    "in_channels": (int,),
    "image_size": (int, NoneType),
    "channels_last": (bool, NoneType),
    "norm": (str,),
    "options": (dict, NoneType),
}


def check_specification(spec: Mapping[str, Any]) -> None:
    """Refuse a specification that no encoder wrote.

    Raises:
        ValueError: If it has unknown entries, no name, or an entry of another type.
    """
    unknown = sorted(str(key) for key in spec.keys() - _ENTRIES.keys())
    wrong = [
        f"{k} = {spec[k]!r}" for k, t in _ENTRIES.items() if k in spec and type(spec[k]) not in t
    ]
    nameless = [] if "name" in spec else ["no name"]
    if problems := [*(f"an unknown entry {key}" for key in unknown), *wrong, *nameless]:
        raise ValueError(
            f"the encoder's specification has {problems[0]}: it must hold what Encoder.spec() "
            f"returns ({', '.join(_ENTRIES)})."
        )


def plain(value: Any) -> Any:
    """The same as dicts with text keys, lists and single values, as a checkpoint keeps it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
