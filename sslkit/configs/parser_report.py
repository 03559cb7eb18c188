"""The parser's report on a rejected config: an indented tree, of which one leaf counts.

It nests ``Parser key "data.source":``, ``Problem with given class_path 'a.B':`` and the
errors of all types of a union.
"""

import re
import textwrap
from dataclasses import dataclass, replace

_KEY = re.compile(r'Parser key "([^"]+)"(?: element \d+)?:')
_CLASS = re.compile(r"Problem with given class_path '([^']+)':")
_NO_FILE = re.compile(r"- Expected a path but .*? either not accessible or invalid\n- ", re.DOTALL)
_NO_CONFIG = re.compile(r"Unable to load config .*?\n\s*- (?=\S)", re.DOTALL)
_UNION = "Does not validate against any of the Union subtypes\n"
_ERRORS = re.compile(r"^Errors:\n(.*?)^Given value type:.*?\n^Given value: (.*)", re.DOTALL | re.M)
_NESTED = re.compile(r"NestedArg\(key='.*?', val='?(.*?)'?\)$", re.DOTALL)
_SPEC = "Namespace(class_path="
_BUILT = re.compile(rf"\[?{re.escape(_SPEC)}'([^']+)'")
# How the parser says that a value is not of a type; other words come from a class.
_NOT_OF_TYPE = re.compile(
    r"Expected an? (?:<(?:class|enum) '(?P<name>[^']+)'>|typing\.Literal\[(?P<choices>.*?)\]"
    r"|(?P<other>(?:typing|collections)\.\S+|tuple with \d+ elements)"
    r"|member of <enum '\w+'>: \{(?P<members>.*?)\})"
    r"(?:\. Got value: (?P<given>.*)|$)"
    r"|Not of type (?P<kind>\w+):"
    r"|Not a valid subclass of (?P<base>\w+)"
    r"|Does not implement protocol (?P<protocol>\w+)"
)
_NAMES_NO_CLASS = re.compile(
    r"Expected a dot import path|Unexpected import path|Import path \S+ does not"
    r"|Expected an instantiatable class"
)


@dataclass(frozen=True)
class Failure:
    """What a report comes down to.

    Args:
        where: The key, ``model.encoder.name``, or "".
        owner: The innermost class whose arguments were being read.
        reason: What is wrong, on one line.
        wanted: The types of which the value is none, if that is what is wrong.
        given: That value.
        built: The class that was being built out of the value of a union, if one was.
    """

    where: str
    owner: str | None
    reason: str
    wanted: tuple[str, ...] = ()
    given: str | None = None
    built: str | None = None


def failure_in(report: str) -> Failure:
    """The part of a report that tells most about what is wrong.

    Where no type of a union accepts a value, that is what the class named in the value says; else
    what type it was meant to have.
    """
    return _failure(report, Failure("", None, ""))


def _failure(text: str, outer: Failure) -> Failure:
    text = textwrap.dedent(text.strip("\n"))
    if found := _KEY.match(text):
        return _failure(text[found.end() :], replace(outer, where=_join(outer.where, found[1])))
    if found := _CLASS.match(text):
        return _failure(text[found.end() :], replace(outer, owner=found[1]))
    if found := _NO_FILE.match(text):
        return _failure(text[found.end() :], outer)
    if (found := _NO_CONFIG.match(text)) and _KEY.match(text, found.end()):
        # The keys inside it are whole ones again.
        inner = _failure(text[found.end() :], replace(outer, where=""))
        return replace(inner, reason=" ".join(inner.reason.split()))
    if text.startswith(_UNION) and (found := _ERRORS.search(text)):
        return _of_union(_entries(found[1]), found[2].strip(), outer)
    reason = " ".join(text.split())
    mismatch = _NOT_OF_TYPE.match(reason)
    if mismatch is None or mismatch["base"]:
        return replace(outer, reason=reason)
    return replace(outer, reason=reason, wanted=_types(mismatch), given=mismatch["given"])


def _of_union(errors: list[str], given: str, outer: Failure) -> Failure:
    failures = [_failure(error, outer) for error in errors]
    ranks = [_rank(failure, outer) for failure in failures]
    if not failures or max(ranks) > 0:
        best = failures[ranks.index(max(ranks))] if failures else outer
        return replace(best, built=best.built or _built(given))
    wanted: list[str] = []
    for failure in failures:
        if mismatch := _NOT_OF_TYPE.match(failure.reason):
            wanted += _types(mismatch)
    wanted = [w for w in dict.fromkeys(wanted) if w != "NoneType"] or ["null"]
    if nested := _NESTED.match(given):
        given = nested[1]
    return replace(outer, reason=failures[0].reason, wanted=tuple(wanted), given=given)


def _rank(failure: Failure, outer: Failure) -> int:
    """How much one type's error tells: the class's own words, then which class, then the type."""
    if (failure.where, failure.owner) != (outer.where, outer.owner):
        return 3
    if _NAMES_NO_CLASS.match(failure.reason):
        return 1
    return 0 if _NOT_OF_TYPE.match(failure.reason) else 2


def _entries(errors: str) -> list[str]:
    """The entries of a list: each starts with "- " and goes on indented below it."""
    entries = re.split(r"^- ", textwrap.dedent(errors), flags=re.M)
    return [re.sub(r"^  ", "", entry, flags=re.M) for entry in entries if entry.strip()]


def _built(given: str) -> str | None:
    """The class of the value that was being built, or None if it was one of several."""
    found = _BUILT.match(given)
    return found[1] if found and (given[0] != "[" or given.count(_SPEC) == 1) else None


def _types(mismatch: re.Match[str]) -> tuple[str, ...]:
    if choices := mismatch["choices"] or mismatch["members"]:
        return (f"one of {choices}",)
    if mismatch["base"] or mismatch["protocol"]:
        return (f"the class_path of a {mismatch['base'] or mismatch['protocol']}",)
    name = mismatch["name"] or mismatch["other"] or mismatch["kind"]
    return (name,)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
