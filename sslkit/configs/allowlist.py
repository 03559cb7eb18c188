"""The import allowlist: a config names what is on it, and the rest is refused before any import.

Two layers. `check_imports` reads a config before anything else does and says what is wrong, in
which line, and what to do. `install_allowlist` sets the policy of jsonargparse, which judges every
import path at the moment of use, wherever it comes from: this one is the boundary.
"""

import importlib
import importlib.util
import keyword
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import set_parsing_settings

from sslkit.configs.extends import KEY, lineage
from sslkit.configs.files import named_file, text_of
from sslkit.configs.refusals import COPIES, DOTTED, ImportRefused, why_refused
from sslkit.configs.roles import allowed_paths
from sslkit.configs.values import Value, config_values, nodes_of, option_values, read_nodes
from sslkit.plain_yaml import Unbounded

# Text that no type reads as an import path, although it may look like one.
_FILE_SUFFIXES = frozenset(
    ".bin .bmp .ckpt .csv .gz .jpeg .jpg .json .log .md .npy .npz .png .pt .pth .safetensors .tar"
    " .tgz .txt .webp .yaml .yml .zip".split()
)
_FREE_TEXT = frozenset(
    "dirpath entity filename group id name notes project save_dir tags version".split()
)
_trusted: set[str] = set()


def check_file(path: Path | str, *, trust: Sequence[str] = ()) -> None:
    """Check a config file before anything reads it; nothing is imported.

    Args:
        path: A YAML or JSON file.
        trust: Modules that the user trusts.

    Raises:
        ImportRefused: If it, or a file that it names or extends, names what is not on the list;
            says the line and what to do.
        FileNotFoundError: If there is not what it extends.
        ValueError: If it is not YAML, or extends itself.
    """
    for file in lineage(path):
        _check(read_nodes(file), (), _Source(str(file), tuple(trust), (file.parent, Path())))


def check_arguments(arguments: Sequence[str], *, trust: Sequence[str] = ()) -> None:
    """Check the values on a command line, and the config files that they name.

    Args:
        arguments: ``["--model.temperature", "0.1", "--data=data.yaml", "-cmine.yaml", ...]``.
        trust: Modules that the user trusts.

    Raises:
        ImportRefused: As `check_file`.
        ValueError: As `check_file`.
    """
    for key, value in option_values(arguments):
        if key in ("config", "c") and os.path.isfile(value):
            check_file(value, trust=trust)
        elif key != "trust":
            keys = () if key in ("config", "c") else tuple(key.split("."))
            check_imports(value, trust=trust, where="the command line", keys=keys)


def check_imports(
    config: Any,
    *,
    trust: Sequence[str] = (),
    where: str,
    keys: tuple[str, ...] = (),
    folders: Sequence[Path] = (Path(),),
) -> None:
    """Check every import path in a config, and in the files that it names; nothing is imported.

    Looked at are all values of ``class_path``, and other texts that read as the path of something
    in a module that is there to import. Tags that make YAML build objects are refused too.

    Args:
        config: YAML nodes, which carry lines, or plain mappings, lists and scalars.
        trust: Modules that the user trusts.
        where: What the config is, for the message: a file's name.
        keys: Where in the whole config this part belongs.
        folders: Where the files lie that it names; without any, no file is looked at.

    Raises:
        ImportRefused: If it names what is not on the list.
    """
    _check(config, keys, _Source(where, tuple(trust), tuple(folders)))


@dataclass(frozen=True)
class _Source:
    """What is being checked: its name, the modules trusted in it, and where its files may lie."""

    where: str
    trust: tuple[str, ...]
    folders: tuple[Path, ...]
    inside: frozenset[Path] = frozenset()  # the files that led here, so that a loop ends

    def part(self, path: Path, where: str) -> "_Source":
        folders = tuple(dict.fromkeys((path.parent, *self.folders)))
        return _Source(where, self.trust, folders, self.inside | {path.resolve()})


def _check(config: Any, keys: tuple[str, ...], source: _Source) -> None:
    try:
        for value in config_values(config, keys):
            _check_value(value, source)
    except Unbounded as error:
        raise ValueError(f"{source.where} is {error}.") from None


def _check_value(value: Value, source: _Source) -> None:
    place = f"{source.where}, line {value.line}" if value.line else source.where
    key = ".".join(value.keys)
    if value.tag:
        raise ImportRefused(
            f"{place}: {key or 'the file'} has the YAML tag {value.tag!r}; a config is plain "
            "data and builds objects through class_path only. Remove the tag."
        )
    if value.keys[:1] in (("recipe",), (KEY,)):  # the card is text; what is extended is checked
        return
    if names_an_import(value, source.folders) and not is_allowed(value.text, source.trust):
        raise ImportRefused(f"{place}: {key} names {why_refused(value.text)}")
    if value.key == "class_path" or value.key in _FREE_TEXT:
        return
    try:
        file = named_file(value.text, source.folders)
    except ValueError as error:
        raise ImportRefused(f"{place}: {key} names {error}") from error
    if file is not None and file.resolve() not in source.inside:
        _check_part(file, value.keys, source.part(file, f"{file} (named in {place})"))


def _check_part(file: Path, keys: tuple[str, ...], source: _Source) -> None:
    """A file that stands for a value: a part of the config, or data, which passes."""
    text = text_of(file)
    if text is None:
        return
    nodes = nodes_of(text)
    if isinstance(nodes, yaml.CollectionNode):
        _check(nodes, keys, source)
        return
    for line in dict.fromkeys(text.splitlines()):
        _check(line.strip(), keys, source)


def is_allowed(path: str, trust: Sequence[str] = ()) -> bool:
    """Whether a config may name this import path, by its public or its defining module."""
    paths = allowed_paths()
    return (
        path in paths
        or path in paths.values()
        or any(path == module or path.startswith(f"{module}.") for module in trust)
    )


def import_path_allowlist(trust: Sequence[str] = ()) -> list[str]:
    """The list for jsonargparse: every allowed object by its public and its defining path.

    Both are needed, because the parser also judges where an object was defined; and whole modules
    are not named, because what a module has imported would be reachable through it.
    """
    return sorted({*allowed_paths(), *allowed_paths().values(), *trust})


def install_allowlist(trust: Sequence[str] = ()) -> None:
    """Make the list the parser's policy for this process: what is not on it cannot be imported.

    Configs are read from local files only, and options never from environment variables.

    Args:
        trust: Modules that the user trusts now; those of an earlier call are no longer trusted.
    """
    # Its import makes the parser read configs from wherever fsspec reaches, so it comes first.
    importlib.import_module("pytorch_lightning.cli")
    # Set to true it would override what a parser was told; nobody checks what comes from there.
    os.environ["JSONARGPARSE_DEFAULT_ENV"] = "false"
    withdrawn = _trusted - set(trust)
    _trusted.clear()
    _trusted.update(trust)
    set_parsing_settings(
        import_path_denylist=["*", *sorted(withdrawn)],
        import_path_allowlist=import_path_allowlist(trust),
        config_read_mode_urls_enabled=False,
        config_read_mode_fsspec_enabled=False,
        # A class where any value is accepted stays data.
        instantiate_subclass_spec_in_any=False,
    )


def trust_module(name: str) -> None:
    """Make a module that the user trusts importable, also from the working directory.

    Args:
        name: Its dotted name, as in ``--trust my_lab.vicreg``.

    Raises:
        ValueError: If it is not a dotted name, or neither installed nor in the working directory.
    """
    parts = name.split(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise ValueError(
            f"--trust takes the name of a module (my_module or my_lab.my_module), got {name!r}: no "
            "file name, no path, no wildcard."
        )
    if parts[0] == "jsonargparse":
        raise ValueError("--trust jsonargparse would let a config change the import policy itself.")
    if importlib.util.find_spec(parts[0]) is not None:
        return
    here = Path.cwd()
    if not (here / f"{parts[0]}.py").is_file() and not (here / parts[0]).is_dir():
        raise ValueError(
            f"--trust {name}: there is no module {parts[0]!r}, neither installed nor as "
            f"{parts[0]}.py in the working directory {here}."
        )
    # Last, so that nothing in the working directory takes the place of an installed package.
    sys.path.append(str(here))
    importlib.invalidate_caches()


def names_an_import(value: Value, folders: Sequence[Path]) -> bool:
    """Whether a value reads as the path of something in a module that is there to import."""
    if value.key == "class_path":
        return True
    suffix = f".{value.text.rpartition('.')[2]}".lower()
    if value.key in _FREE_TEXT or suffix in _FILE_SUFFIXES or not DOTTED.fullmatch(value.text):
        return False
    if any((folder / value.text).exists() for folder in folders):
        return False
    top = value.text.split(".")[0]
    if value.text.startswith(COPIES) or any(p.startswith(f"{top}.") for p in allowed_paths()):
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return True
    # Without an origin it is a folder in the working directory, not a module.
    return spec is not None and spec.origin is not None
