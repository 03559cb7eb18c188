"""What a run's files say of the machine it ran on, left out: nobody else has these paths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sslkit.configs.values import config_values

# Where a run wrote and how it was watched, which is for the next one to say.
_OF_THE_RUN = {
    "evaluate": True,
    "wandb": False,
    "ckpt_path": None,
    "trainer.default_root_dir": None,
    "trainer.logger": None,
    "trainer.enable_progress_bar": None,
}
_WRITTEN_TO = frozenset({"dirpath", "save_dir"})
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|[A-Za-z]:$")
# Loggers and readers of data open these through fsspec: ftp://..., simplecache::s3://...
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*(?:::|://)")
_SOURCES = ("source", "val_source", "test_source")
# Keys whose values are files of whoever ran it, wherever these lie.
_FILES = frozenset({"checkpoint", "weights"})


def is_place(text: str) -> bool:
    """Whether a text is an address, or a path that starts elsewhere than in the working directory.

    (The words of a sentence that has ``://`` further on are none.)
    """
    parts = re.split(r"[\\/]", text)
    starts = text.startswith(("/", "~", "\\", "file:")) or _DRIVE.match(text) is not None
    return starts or ".." in parts or _ADDRESS.match(text) is not None


def is_public_source(keys: Sequence[str], text: str) -> bool:
    """Whether a value is an http(s) address of images: the same for everybody who has a network."""
    at_source = len(keys) == 2 and keys[0] == "data" and keys[1] in _SOURCES
    return at_source and text.startswith(("http://", "https://"))


def portable_config(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A run's resolved config as a recipe for others.

    Images in a folder elsewhere are left for whoever runs it to give; other files are named without
    their folder, and what would be written elsewhere goes where runs go.

    Args:
        config: As plain data, with or without its card.

    Returns:
        The config without the card, and a sentence for each file that it needs.
    """
    told: list[str] = []
    found = {key: value for key, value in config.items() if key != "recipe"}
    for path, value in _OF_THE_RUN.items():
        section, _, key = path.rpartition(".")
        inside = found.get(section) if section else found
        if isinstance(inside, dict):
            changed = {**inside, key: value}
            found = {**found, section: changed} if section else changed
    data = found.get("data")
    if isinstance(data, dict):
        found["data"] = _sources(data, told)
    return {key: _portable(value, key, told) for key, value in found.items()}, told


def portable_record(value: Any) -> Any:
    """The same with file names in place of paths; for records that are read and not run."""
    if isinstance(value, dict):
        return {key: portable_record(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable_record(item) for item in value]
    return _name(value) if isinstance(value, str) and is_place(value) else value


def places(config: Any) -> Iterator[tuple[str, str]]:
    """Every path in a config that starts elsewhere, under its key, also in texts that are YAML.

    Args:
        config: As plain data.
    """
    for value in config_values(config):
        if value.tag is None and is_place(value.text):
            yield ".".join(value.keys), value.text


def _sources(data: dict[str, Any], told: list[str]) -> dict[str, Any]:
    found = dict(data)
    for key in _SOURCES:
        value = data.get(key)
        if not isinstance(value, str) or is_public_source(("data", key), value):
            continue
        if value != "quickstart":
            told.append(f"data.{key} is left out ({_name(value)}): others give --data.{key} FOLDER")
            if key == "source":
                del found[key]
            else:
                found[key] = None
    return found


def _portable(value: Any, key: str, told: list[str], way: str = "") -> Any:
    way = f"{way}.{key}" if way else key
    if isinstance(value, dict):
        return {name: _portable(item, str(name), told, way) for name, item in value.items()}
    if isinstance(value, list):
        return [_portable(item, str(i), told, way) for i, item in enumerate(value)]
    if not isinstance(value, str) or is_public_source(way.split("."), value):
        return value
    if not is_place(value) and (key not in _FILES or not re.search(r"[\\/]", value)):
        return value
    if key in _WRITTEN_TO:
        return None
    told.append(f"{way} is {_name(value)} without its folder: others need that beside them")
    return _name(value)


def _name(path: str) -> str:
    return next((part for part in reversed(re.split(r"[\\/]", path)) if part.strip(".~")), "here")
