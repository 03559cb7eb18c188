"""What to do where a data set of torchvision's is not there and cannot be fetched."""

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_DATASETS = "torchvision.datasets"
_SOURCES = ("source", "val_source", "test_source")
# As urllib and torchvision say it.
_NOT_FETCHED = re.compile(
    r"urlopen error|HTTP Error \d|Error downloading|[Tt]imed? ?out|Remote end closed|getaddrinfo"
    r"|Connection (?:refused|reset)|File not found or corrupted"
)


def where_to_put(class_path: str, reason: str, config: Mapping[str, Any] | None) -> str | None:
    """How somebody without a network comes by a data set that a config names.

    Args:
        class_path: What was being built.
        reason: What it said.
        config: What was parsed, as plain data; None where it is not known.

    Returns:
        A sentence or two; None if this is not about a download.
    """
    module, _, name = class_path.rpartition(".")
    if module != _DATASETS or not _NOT_FETCHED.search(reason):
        return None
    key, root = _place(class_path, config or {})
    cls = vars(sys.modules[module]).get(name) if module in sys.modules else None
    files = _files(cls)
    if files:
        inside = f"{root}/{name}/raw" if _is_mnist(cls) else root
        missing = f"put {' and '.join(files)} into the folder {inside}, where it is then found"
    else:
        missing = f"put its files into the folder {root} as torchvision.datasets.{name} has them"
    return (
        f"{key}: {name} is not in the folder {root} and could not be downloaded ({reason}). "
        f"Without a network, {missing}. Images of yours do as well: --data.source FOLDER "
        "--data.test_source null (`reproduce` and `views`: --data FOLDER)."
    )


def _place(class_path: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """The key of the first such data set, and the folder that it is given."""
    data = config.get("data")
    for key in _SOURCES:
        source = data.get(key) if isinstance(data, Mapping) else None
        if isinstance(source, Mapping) and source.get("class_path") == class_path:
            return f"data.{key}", str((source.get("init_args") or {}).get("root") or "data")
    return "data.source", "data"


def _is_mnist(cls: Any) -> bool:
    return hasattr(cls, "resources") and hasattr(cls, "mirrors")


def _files(cls: Any) -> list[str]:
    """Names and addresses of what a class downloads, where it says so in one of the usual ways."""
    if _is_mnist(cls):
        return [f"{file} ({_joined(cls.mirrors, file)})" for file, _ in cls.resources]
    file, url = getattr(cls, "filename", None), getattr(cls, "url", None)
    return [f"{file} ({url})"] if isinstance(file, str) and isinstance(url, str) else []


def _joined(mirrors: Iterable[str], file: str) -> str:
    return f"{next(iter(mirrors))}{file}"
