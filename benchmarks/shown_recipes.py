"""What of a recipe must be seen before it is added, found without the toolkit's own readers."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

# The scanner of sslkit's reader, if not its checks: PyYAML's own refuses texts that libyaml takes.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PATH = re.compile(
    r"(/|~|\\|file:|[A-Za-z]:([\\/]|$)|[A-Za-z][\w+.-]*(::|://))|(.*[\\/])?\.\.([\\/]|$)", re.DOTALL
)
_DOTTED = re.compile(r"(sslkit|torch|torchvision|pytorch_lightning|fuzz_bait)(\.[A-Za-z_]\w*)+")
# Under these keys stands text, and behind these endings a file's name.
_TEXT = "dirpath entity filename group id name notes project save_dir tags version".split()
_FILES = (".bin", ".ckpt", ".csv", ".jpg", ".json", ".npz", ".png", ".pt", ".pth", ".yaml", ".zip")
_NO = ("false", "no", "off", "n", "f", "0", "null", "none", "~", "")


def unseen(text: str, shown: str) -> list[str]:
    """The classes, places and downloads in a recipe that are not in a text about it.

    Args:
        text: The recipe; what it extends is not looked at.
        shown: What was printed before the question.
    """
    config = {
        key: value
        for key, value in yaml.load(text, Loader=_LOADER).items()
        if key not in ("recipe", "extends")
    }
    seen = _plain(shown)
    return [what for what in dict.fromkeys(_told(config, ())) if _plain(what) not in seen]


def _told(value: Any, keys: tuple[str, ...], inside: tuple[int, ...] = ()) -> Iterator[str]:
    if id(value) in inside:  # an alias of what it is in
        return
    inside = (*inside, id(value))
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "download" and str(item).lower() not in _NO:
                yield ".".join((*keys, "download"))
            yield from _told(item, (*keys, str(key)), inside)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _told(item, (*keys, str(number)), inside)
    elif isinstance(value, str):
        names = [key for key in keys if not key.isdigit()]
        key = names[-1].rsplit(".", 1)[-1] if names else ""
        dotted = _DOTTED.fullmatch(value) and key not in _TEXT and not value.endswith(_FILES)
        if key == "class_path" or dotted or _PATH.match(value):
            yield value
        yield from _inside(value, keys)


def _inside(value: str, keys: tuple[str, ...]) -> Iterator[str]:
    """A text may be YAML itself, as the parser reads it."""
    try:
        found = yaml.load(value, Loader=_LOADER)
    except Exception:
        return
    if isinstance(found, dict | list):
        yield from _told(found, keys)


def _plain(text: str) -> str:
    """Without what no terminal should print, and without how the lines were broken."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
