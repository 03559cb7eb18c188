"""A config that builds on another one: ``extends:`` names it, and the two are merged.

``extends`` is the name of a shipped recipe (``small/moco``) or the path of a ``.yaml`` file,
relative to the file in which it stands: the same config on every machine. Mappings are merged key
by key; everything else is replaced, lists too. So is a mapping with another ``class_path``, as the
arguments of one class mean nothing to another. The card is not inherited: what was measured with
one file says nothing about another.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sslkit import plain_yaml
from sslkit.configs.finding import shipped_recipe
from sslkit.configs.values import read_nodes

KEY = "extends"
_LONGEST = 8  # files


def lineage(path: Path | str) -> list[Path]:
    """A config and what it builds on, nearest first; nothing but the key ``extends`` is read.

    Args:
        path: A YAML file.

    Raises:
        FileNotFoundError: If a file or recipe that is named is not there.
        ValueError: If a file is not YAML, ``extends`` is no name, or the files go round in a circle
            or on for too long.
    """
    files = [Path(path)]
    while (parent := _parent(files[-1])) is not None:
        way = " extends ".join(str(file) for file in (*files, parent))
        if parent.resolve() in [file.resolve() for file in files]:
            raise ValueError(f"{way}: that is a circle, so there is no first one. Break it.")
        if len(files) == _LONGEST:
            raise ValueError(f"{way}: more than {_LONGEST} files. Copy what is needed into one.")
        files.append(parent)
    return files


def merged_config(path: Path | str) -> dict[str, Any]:
    """A config with all that it builds on, and without the key ``extends``.

    Args:
        path: A YAML file.

    Raises:
        FileNotFoundError: As `lineage`.
        ValueError: As `lineage`, or if a file is not a mapping of plain data.
    """
    merged: dict[str, Any] = {}
    for file in reversed(lineage(path)):
        merged.pop("recipe", None)
        try:
            merged = _merge(merged, _load(file), {})
        except plain_yaml.Unbounded as error:
            raise ValueError(f"{file} is {error}.") from None
    merged.pop(KEY, None)
    return merged


def merged_onto_shipped(config: dict[str, Any]) -> dict[str, Any]:
    """A config that is no file yet, with the shipped recipe on which it builds, if on any.

    Args:
        config: As plain data.

    Raises:
        FileNotFoundError: If there is no shipped recipe of the name.
        ValueError: If it builds on a file.
    """
    name = config.get(KEY)
    if name is None:
        return config
    if not isinstance(name, str) or name.endswith((".yaml", ".yml")):
        raise ValueError(
            f"extends names {name!r}, which is not a shipped recipe: what stands alone can build "
            "on nothing else."
        )
    merged = merged_config(shipped_recipe(name))
    merged.pop("recipe", None)
    return _merge(merged, {key: value for key, value in config.items() if key != KEY}, {})


def merge_extended(arguments: Sequence[str]) -> list[str]:
    """Replace config files that build on others by the merged config, as text.

    Args:
        arguments: Options in which configs are files and have been checked.
    """
    merged: list[str] = []
    for argument in arguments:
        after_option = bool(merged) and merged[-1] in ("--config", "-c")
        option, equals, value = argument.partition("=")
        if after_option:
            merged[-1:] = [f"--config={_inline(argument)}"]
        elif option == "--config" and equals:
            merged.append(f"--config={_inline(value)}")
        else:
            merged.append(argument)
    return merged


def _inline(config: str) -> str:
    if not os.path.isfile(config) or len(lineage(config)) == 1:
        return config
    return yaml.safe_dump(merged_config(config), sort_keys=False)


def _parent(path: Path) -> Path | None:
    nodes = read_nodes(path)
    if not isinstance(nodes, yaml.MappingNode):
        return None
    for key, value in nodes.value:
        if key.value == KEY:
            where = f"{path}, line {value.start_mark.line + 1}: extends"
            if not isinstance(value, yaml.ScalarNode) or value.tag != "tag:yaml.org,2002:str":
                raise ValueError(f"{where} is the name or path of one recipe.")
            return _named(value.value, path.parent, where)
    return None


def _named(name: str, folder: Path, where: str) -> Path:
    if not name.endswith((".yaml", ".yml")):
        try:
            return shipped_recipe(name)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{where} names a recipe that is not there: {error}") from error
    if Path(name).is_absolute():
        raise ValueError(
            f"{where} names {name}, which is another file or none on another machine: give its "
            "path relative to the file in which it stands, or the name of a shipped recipe."
        )
    file = folder / name
    if not file.is_file():
        raise FileNotFoundError(f"{where} names {name}, and there is no file {file}.")
    return file


def _load(path: Path) -> dict[str, Any]:
    try:
        config = plain_yaml.load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not plain YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} is not a config: it must be a YAML mapping of options.")
    return config


def _merge(old: Any, new: Any, done: dict[tuple[int, int], Any], depth: int = 0) -> Any:
    if depth > plain_yaml.DEEPEST:  # two aliases, each inside itself
        raise plain_yaml.NestedTooDeeply
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    classes = old.get("class_path"), new.get("class_path")
    if None not in classes and classes[0] != classes[1]:
        return new
    # An alias is one object in several places: merged once, it cannot multiply.
    place = (id(old), id(new))
    if place not in done:
        done[place] = {
            **old,
            **{key: _merge(old.get(key), value, done, depth + 1) for key, value in new.items()},
        }
    return done[place]
