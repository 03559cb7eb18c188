"""From a parser's nested report to one sentence: which key, what is wrong, what was meant.

Only the text of the report is complete. Of the types of a union (``str | Dataset``) each has its
say there, while just the first one's exception is kept as the cause of the whole.
"""

import difflib
import inspect
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sslkit.configs.downloads import where_to_put
from sslkit.configs.parser_report import Failure, failure_in
from sslkit.configs.refusals import refusal_in, suggest
from sslkit.configs.values import config_values, line_of, option_values, read_nodes

_NO_OPTION = re.compile(r"(?:Option|Group '([^']*)' does not accept option) '([^']+)'")
_UNRECOGNISED = re.compile(r"unrecognized arguments: (--?[^\s=]+)")
_REQUIRED = re.compile(r"the following arguments are required: (.*)")
_NO_CLASS = re.compile(
    r"(?:Expected a dot import path string|Unexpected import path format): (\S+)"
    r"|Not a valid subclass of \w+\. Got value: (\S+) Subclass types"
)
_OTHER_CLASS = re.compile(
    r"Import path (\S+) does not (?:correspond to a subclass of|implement protocol) (\S+)"
)
_ABSTRACT = re.compile(r"Expected an instantiatable class, but (\S+) is abstract")
_NOT_THERE = re.compile(r"(?:module '\S+' has no attribute|No module named) ")
_CLOSE = 0.75  # of 1: how alike a misspelt option must be to what it is taken for
_LISTS = {"list", "collections.abc.Sequence"}
_CLASS_NAME = re.compile(r"(?:[a-z_]\w*\.)*[A-Z]\w*")
_NO_IMAGES = (
    "data.source must be given, the images: a folder of them (--data.source path/to/images), a "
    ".npz file (--data.source images.npz; or the word quickstart for the images in the package), "
    "or the class of a data set in a YAML file (data: {source: {class_path: "
    "torchvision.datasets.CIFAR10, init_args: {root: data, train: true, download: true}}})."
)
_UNLOADABLE = re.compile(r"Unable to load config (.*)")


class WrongValue(ValueError):
    """A config was not accepted.

    Attributes:
        key: Where in it, as ``model.encoder.name``; "" where that is not known.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


def located(error: Exception, arguments: Sequence[str]) -> Exception:
    """The same error with the file and the line in which the value stands, if it stands in a file.

    Args:
        error: Of `readable`.
        arguments: What was parsed. A key that is given on the command line too has no line.
    """
    key = getattr(error, "key", "")
    options = list(option_values(arguments))
    files = [v for k, v in options if k in ("config", "c") and os.path.isfile(v)]
    given = [f"{k}." for k, _ in options if k not in ("config", "c")]
    if not key or any(f"{key}.".startswith(k) or k.startswith(f"{key}.") for k in given):
        return error
    for file in reversed(files):
        line = line_of(read_nodes(Path(file)), key, str(error).replace(",", " "))
        if line is not None:
            return WrongValue(f"{file}, line {line}: {error}", key)
    return error


def readable(error: BaseException, options: Iterable[str], config: Any = None) -> Exception:
    """Explain why a config was not accepted.

    Args:
        error: What the parser raised, when it parsed or when it built the objects.
        options: The options that the parser knows, as ``trainer.max_epochs``, for suggestions.
        config: What was parsed, if it was: a failure to build a class says then under which key the
            class stands.

    Returns:
        The error to raise instead: the import allowlist's refusal, or one whose message is one
        sentence. What the constructor of a class says comes through in its own words.
    """
    if refused := refusal_in(str(error)):
        return refused
    failure = failure_in(str(error))
    return WrongValue(_sentence(failure, list(options), config), failure.where)


def _sentence(failure: Failure, options: Sequence[str], config: Any) -> str:
    reason, owner, where = failure.reason, failure.owner, failure.where
    if missing := _REQUIRED.match(reason):
        if owner:
            return f"{where}: {owner} needs {missing[1]}, which must be given."
        if missing[1].strip() == "data.source":
            return _NO_IMAGES
        return (
            f"{missing[1]} must be given: start from a recipe with --config (`sslkit recipe list` "
            "shows them), or set them as options."
        )
    if unknown := _UNRECOGNISED.match(reason):
        name = unknown[1].lstrip("-")
        return f"there is no option {unknown[1]}.{_meant(name, options, '--')}"
    if unknown := _NO_OPTION.match(reason):
        return _no_option(unknown[1], unknown[2], owner, options)
    if no_class := _NO_CLASS.match(reason):
        name = no_class[1] or no_class[2]
        known = suggest(name)
        hint = f" Did you mean {known}?" if known else ""
        return f"{where} names {name!r}, which is not the import path of a known class.{hint}"
    if owner and _NOT_THERE.match(reason):
        known = suggest(owner)
        hint = f" Did you mean {known}?" if known else ""
        return f"{where} names {owner}, which is not there: {reason}.{hint}"
    if other := _OTHER_CLASS.match(reason):
        return f"{where} names {other[1]}, which is not a {other[2]}."
    if abstract := _ABSTRACT.match(reason):
        return f"{where} names {abstract[1]}, which is abstract: name a class built on it."
    if unloadable := _UNLOADABLE.match(reason):
        given = unloadable[1].strip("'\"")
        return f"{where} takes options (key: value) or a config file of them, got {given!r}."
    if failure.wanted and where:
        got = f", got {failure.given!r}" if failure.given is not None else ""
        if _LISTS.intersection(failure.wanted) and _CLASS_NAME.fullmatch(failure.given or ""):
            name = _whole_path(failure.given or "")
            return (
                f"{where} takes a list{got}, which is one class: --{where}+ {name} adds it to the "
                f"list, and in a YAML file the list is [{{class_path: {name}}}]."
            )
        return f"{where} takes {' or '.join(failure.wanted)}{got}."
    if not where and failure.built:
        if advice := where_to_put(failure.built, reason, _plain(config)):
            return advice
        where = _key_of(failure.built, config)
        # Classes of the toolkit name the argument themselves.
        said_by = "" if failure.built.startswith("sslkit.") else failure.built
        return ": ".join(part for part in (where, said_by, reason) if part)
    return f"{where}: {reason}" if where else reason


def _whole_path(name: str) -> str:
    """The import path of a class that is named without its module, if there is one like it."""
    known = suggest(name)
    return known if known is not None and known.endswith(f".{name}") else name


def _no_option(group: str | None, name: str, owner: str | None, options: Sequence[str]) -> str:
    if owner:
        return f"{owner} has no option {name!r}.{_meant(name, _parameters(owner))}"
    inside = [o.removeprefix(f"{group}.") for o in options if o.startswith(f"{group}.")]
    if group:
        return f"{group!r} has no option {name!r}.{_meant(name, inside)}"
    close = difflib.get_close_matches(name, options, n=1, cutoff=_CLOSE)
    # All options with their groups' would be a page.
    known = close or list(dict.fromkeys(o.split(".")[0] for o in options))
    return f"there is no option {name!r}.{_meant(name, known)}"


def _parameters(class_path: str) -> Sequence[str]:
    # The path comes out of a report that quotes the config, so nothing is imported by it; the
    # parser has imported the class already.
    module, _, name = class_path.rpartition(".")
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return list(inspect.signature(found).parameters) if inspect.isclass(found) else []


def _key_of(class_path: str, config: Any) -> str:
    """The key of a class in a parsed config, or "" where it stands more than once or not at all."""
    found = [
        value.keys[:-1]
        for value in config_values(_plain(config) or {})
        if value.key == "class_path" and value.text == class_path
    ]
    return ".".join(key for key in found[0] if key != "init_args") if len(found) == 1 else ""


def _plain(config: Any) -> dict[str, Any] | None:
    return config if config is None or isinstance(config, dict) else config.as_dict()


def _meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)
    if close:
        return f" Did you mean {prefix}{close[0]}? Options are never abbreviated."
    if prefix or not known:
        return " `sslkit fit --help` lists all."
    return f" It has {', '.join(known)}."
