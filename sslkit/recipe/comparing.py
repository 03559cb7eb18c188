"""``sslkit recipe diff``: how two recipes differ in meaning, whatever their files look like."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from sslkit.recipe.reading import Reading, RecipeReader
from sslkit.recipe.scale import scale_of

_MISSING = object()
# Of the optimiser's class, and refused when it is set: base_lr and its scaling decide.
_UNREAD = "model.optimizer.lr"


def compare_recipes(first: str, second: str, *, trust: Sequence[str] = ()) -> str:
    """What differs between two recipes once every default is filled in.

    Args:
        first: A name or a file.
        second: A name or a file.
        trust: Modules that they may name too.

    Returns:
        Text: first what follows from several settings (global batch, effective learning rate),
        then the settings, one a line.
    """
    reader = RecipeReader(trust=trust)
    readings = reader.read(first), reader.read(second)
    old, new = (reading.config for reading in readings)
    settings = [change for change in differences(old, new) if change[0] != _UNREAD]
    derived = [
        f"{name}: {a} -> {b}" if a != b else f"{name}: {a} in both"
        for name, (a, b) in _derived(*readings).items()
    ]
    head = f"{first} -> {second}"
    if not settings:
        return f"{head}\nThey mean the same; their cards may differ."
    return "\n".join([head, *derived, "", *(_line(*change) for change in settings)])


def differences(old: Any, new: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """Settings with another value, or on one side only.

    Args:
        old: Plain data.
        new: Plain data.
        keys: The way to both from the top.

    Yields:
        The key without ``class_path`` and ``init_args``, and both values.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        if not keys or "class_path" not in old or "class_path" in new:
            for key in dict.fromkeys((*old, *new)):
                way = keys if key in ("class_path", "init_args") else (*keys, str(key))
                yield from differences(old.get(key, _MISSING), new.get(key, _MISSING), way)
            return
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, (*keys, str(position)))
        return
    if old != new:
        yield ".".join(keys), old, new


def _derived(first: Reading, second: Reading) -> dict[str, tuple[str, str]]:
    scales = [scale_of(reading.config, reading.card) for reading in (first, second)]
    rates = ["none" if s.lr is None else f"{s.lr:g}" for s in scales]
    return {
        "global batch": (scales[0].batch, scales[1].batch),
        "effective lr": (rates[0], rates[1]),
    }


def _line(key: str, old: Any, new: Any) -> str:
    if old is _MISSING:
        return f"{key}: only there {short(new)}"
    if new is _MISSING:
        return f"{key}: only here {short(old)}"
    return f"{key}: {short(old)} -> {short(new)}"


def short(value: Any) -> str:
    """A value on one line; a class as a call: ``SGD(momentum=0.9)``."""
    if isinstance(value, dict) and "class_path" in value:
        arguments = (value.get("init_args") or {}).items()
        inside = ", ".join(f"{k}={short(v)}" for k, v in arguments if v is not None)
        return f"{value['class_path'].rpartition('.')[2]}({inside})"
    if isinstance(value, list):
        return f"[{', '.join(map(short, value))}]"
    return textwrap.shorten("null" if value is None else str(value), 300)
