"""The import allowlist: a config names what is on it, and the rest is refused before any import.

Two layers. `check_imports` reads a config before anything else does and says what is wrong, in
which line, and what to do. `install_allowlist` sets the policy of jsonargparse, which judges every
import path at the moment of use, wherever it comes from: this one is the boundary.
"""

import difflib
import importlib
import importlib.util
import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import set_parsing_settings

from sslkit.config_values import Value, config_values, read_nodes
from sslkit.roles import allowed_paths

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_DENIED_BY_PARSER = re.compile(r"Importing '([\w.]+)' is not allowed")
_CONFIG_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
# Text that no type reads as an import path, although it may look like one.
_FILE_SUFFIXES = _CONFIG_SUFFIXES | frozenset(
    ".bin .bmp .ckpt .csv .gz .jpeg .jpg .log .md .npy .npz .png .pt .pth .safetensors .tar .tgz"
    " .txt .webp .zip".split()
)
_FREE_TEXT = frozenset(
    "dirpath entity filename group id name notes project save_dir tags version".split()
)
_ROLES = (
    "A config may name the public classes of sslkit, torch.optim and torch.nn, Lightning's "
    "callbacks, loggers, strategies and profilers, and torchvision's image datasets and transforms"
)
_trusted: set[str] = set()


class ImportRefused(ValueError):
    """A config names something that is not on the import allowlist."""


def check_file(path: Path | str, *, trust: Sequence[str] = ()) -> None:
    """Check a config file before anything reads it; nothing is imported.

    Args:
        path: A YAML or JSON file.
        trust: Modules that the user trusts.

    Raises:
        ImportRefused: If it names what is not on the list; says the line and what to do.
        ValueError: If it is not YAML.
    """
    check_imports(read_nodes(Path(path)), trust=trust, where=str(path))


def check_arguments(arguments: Sequence[str], *, trust: Sequence[str] = ()) -> None:
    """Check the values on a command line, and the config files that they name.

    Args:
        arguments: ``["--model.temperature", "0.1", "--data=data.yaml", ...]``.
        trust: Modules that the user trusts.

    Raises:
        ImportRefused: As `check_file`.
    """
    key = ""
    for argument in arguments:
        value: Any = argument
        if argument.startswith("-") and not argument[1:2].isdigit():
            key, given, value = argument.lstrip("-").partition("=")
            if not given:
                continue
        if not key or key == "trust":
            continue
        may_be_config = key in ("config", "c") or Path(value).suffix in _CONFIG_SUFFIXES
        if may_be_config and Path(value).is_file():
            check_file(value, trust=trust)
            continue
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            pass  # plain text; the option's own parser will say what is wrong with it
        keys = tuple(key.rstrip("+").split("."))
        check_imports(value, trust=trust, where="the command line", keys=keys)


def check_imports(
    config: Any, *, trust: Sequence[str] = (), where: str, keys: tuple[str, ...] = ()
) -> None:
    """Check every import path in a config; nothing is imported.

    Looked at are all values of ``class_path``, and other texts that read as the path of something
    in a module that is there to import. Tags that make YAML build objects are refused too.

    Args:
        config: YAML nodes, which carry lines, or plain mappings, lists and scalars.
        trust: Modules that the user trusts.
        where: What the config is, for the message: a file's name.
        keys: Where in the whole config this part belongs.

    Raises:
        ImportRefused: If it names what is not on the list.
    """
    for value in config_values(config, keys):
        place = f"{where}, line {value.line}" if value.line else where
        key = ".".join(value.keys)
        if value.tag:
            raise ImportRefused(
                f"{place}: {key or 'the file'} has the YAML tag {value.tag!r}; a config is plain "
                "data and builds objects through class_path only. Remove the tag."
            )
        if _names_an_import(value) and not is_allowed(value.text, trust):
            raise ImportRefused(f"{place}: {key} names {_reason(value.text)}")


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

    Args:
        trust: Modules that the user trusts now; those of an earlier call are no longer trusted.
    """
    withdrawn = _trusted - set(trust)
    _trusted.clear()
    _trusted.update(trust)
    set_parsing_settings(
        import_path_denylist=["*", *sorted(withdrawn)],
        import_path_allowlist=import_path_allowlist(trust),
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


def suggest(path: str) -> str | None:
    """The allowed import path that a misspelt one most likely means, or None."""
    package, _, name = path.rpartition(".")
    top = package.split(".")[0]
    peers = [p for p in allowed_paths() if not top or p.split(".")[0] == top]
    names = {p.rpartition(".")[2] for p in peers}
    meant = difflib.get_close_matches(name, names, n=1, cutoff=0.65)
    candidates = [p for p in peers if meant and p.rpartition(".")[2] == meant[0]]
    best = difflib.get_close_matches(path, candidates, n=1, cutoff=0.0)
    return best[0] if best else None


def refusal_in(message: str) -> ImportRefused | None:
    """Our explanation of a parser's error, when the import policy is what it is about."""
    denied = _DENIED_BY_PARSER.search(message)
    return ImportRefused(f"the configuration names {_reason(denied[1])}") if denied else None


def _names_an_import(value: Value) -> bool:
    if value.keys[:1] == ("recipe",):  # the card is text
        return False
    if value.key == "class_path":
        return True
    suffix = f".{value.text.rpartition('.')[2]}".lower()
    if value.key in _FREE_TEXT or suffix in _FILE_SUFFIXES or not _DOTTED.fullmatch(value.text):
        return False
    if Path(value.text).exists():
        return False
    top = value.text.split(".")[0]
    if any(path.startswith(f"{top}.") for path in allowed_paths()):
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return True
    # Without an origin it is a folder in the working directory, not a module.
    return spec is not None and spec.origin is not None


def _reason(path: str) -> str:
    meant = suggest(path)
    hint = f" Did you mean {meant}?" if meant else ""
    module, _, name = path.rpartition(".")
    if not module or not _DOTTED.fullmatch(path):
        return f"{path!r}, which is not a full import path like sslkit.methods.SimCLR.{hint}"
    if module.split(".")[0] == "sslkit":
        return f"{path}, and sslkit has no public class or function of this name.{hint}"
    refused = f"{path}, which is not on the import allowlist; it was not imported. {_ROLES}.{hint}"
    if module.split(".")[0] in sys.stdlib_module_names:
        return refused
    return f"{refused} If you know {name} and trust whoever wrote it, add --trust {module}."
