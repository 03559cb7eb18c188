"""From a parser's nested report to one sentence: which key, what is wrong, what was meant."""

import difflib
import inspect
import pydoc
import re
from collections.abc import Iterable, Sequence

from sslkit.allowlist import refusal_in, suggest

_KEY = re.compile(r'Parser key "([^"]+)":')
_OWNER = re.compile(r"Problem with given class_path '([^']+)'")
_UNION = re.compile(r"(\n- |- )?(Expected a path but|Does not validate against any)")
_NO_OPTION = re.compile(r"(?:Option|Group '([^']*)' does not accept option) '([^']+)'")
_UNRECOGNISED = re.compile(r"unrecognized arguments: (--?[^\s=]+)")
_REQUIRED = re.compile(r"arguments are required: (.*)")
_TYPE = re.compile(r"Expected an? (?:<class '([^']+)'>|(\S.*?))(?:\. Got|$)", re.MULTILINE)
_VALUE = re.compile(r"(?:Given value|Got value): (.*)")
_NO_PATH = re.compile(r"Expected a dot import path string: (\S+)")


def readable(error: BaseException, options: Iterable[str]) -> Exception:
    """Explain why a config was not accepted.

    Args:
        error: What the parser raised; its chain of causes holds the details.
        options: The options that the parser knows, as ``trainer.max_epochs``, for suggestions.

    Returns:
        The error to raise instead: the import allowlist's refusal, or a ValueError whose message
        is one sentence. An error of the toolkit's own keeps its words.
    """
    if refused := refusal_in(str(error)):
        return refused
    keys, owner, union, reason = _unwrap(error)
    where = ".".join(keys)
    if missing := _REQUIRED.search(reason):
        return ValueError(
            f"{missing[1]} must be given: start from a recipe with --config (`sslkit recipe list` "
            "shows them), or set them as options."
        )
    if unknown := _UNRECOGNISED.search(reason):
        name = unknown[1].lstrip("-")
        return ValueError(f"there is no option {unknown[1]}.{_meant(name, options, '--')}")
    if unknown := _NO_OPTION.match(reason):
        group, name = unknown[1], unknown[2]
        if owner:
            return ValueError(f"{owner} has no option {name!r}.{_meant(name, _parameters(owner))}")
        inside = [o.removeprefix(f"{group}.") for o in options if o.startswith(f"{group}.")]
        peers = inside if group else options
        place = f"{group!r} has no option" if group else "there is no option"
        return ValueError(f"{place} {name!r}.{_meant(name, peers)}")
    if no_path := _NO_PATH.search(reason):
        known = suggest(no_path[1])
        hint = f" Did you mean {known}?" if known else ""
        return ValueError(
            f"{where} names {no_path[1]!r}, which is not the import path of a known class.{hint}"
        )
    if reason.startswith("Expected a"):
        wanted = [short or text for short, text in _TYPE.findall(union or reason)]
        wanted = [w for w in dict.fromkeys(wanted) if w != "NoneType"] or ["null"]
        given = _VALUE.search(union or reason)
        got = f", got {given[1]!r}" if given else ""
        return ValueError(f"{where} takes {' or '.join(wanted)}{got}.")
    return ValueError(f"{where}: {reason}" if where else reason)


def _unwrap(error: BaseException) -> tuple[list[str], str | None, str, str]:
    """Keys from the outside in, the innermost class, its union's text, and the actual reason."""
    keys: list[str] = []
    owner: str | None = None
    union, text = "", str(error)
    link: BaseException | None = error
    while link is not None:
        text = str(link)
        if key := _KEY.match(text):
            if not keys or keys[-1] != key[1]:  # each is raised twice, as two types of exception
                keys.append(key[1])
        elif found := _OWNER.match(text):
            owner = found[1]
        elif _UNION.match(text):
            union = text
        else:
            break
        link = link.__cause__ or link.__context__
    return keys, owner, union, " ".join(text.split())


def _parameters(class_path: str) -> Sequence[str]:
    # Only reached for a class that the parser has imported already.
    found = pydoc.locate(class_path)
    return list(inspect.signature(found).parameters) if callable(found) else []


def _meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    if close:
        return f" Did you mean {prefix}{close[0]}? Options are never abbreviated."
    if prefix or not known:
        return " `sslkit fit --help` lists all."
    return f" It has {', '.join(known)}."
