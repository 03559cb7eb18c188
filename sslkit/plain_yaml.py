"""YAML read as plain data, within bounds: what a text can cost its reader is known beforehand."""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

DEEPEST = 64  # levels; the shipped recipes have 7
MOST_REPEATED = 10_000  # values that aliases stand for; the shipped recipes have no aliases

# What the parser of configs reads with, so that nothing has two readings. Both are safe loaders;
# the one in C is some ten times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unbounded(ValueError):
    """A text is more than any config: what is wrong, to follow "the file is"."""


class NestedTooDeeply(Unbounded):
    """A text has more levels than any config, or is inside itself."""

    def __init__(self) -> None:
        super().__init__(f"nested too deeply: more than {DEEPEST} levels")


class RepeatsTooMuch(Unbounded):
    """Aliases of aliases: a short text that would be endless once written out."""

    def __init__(self) -> None:
        super().__init__(
            f"longer than it looks: its aliases stand for more than {MOST_REPEATED:,} values"
        )


def load(text: str) -> Any:
    """What a YAML text holds, as mappings, lists and scalars.

    Raises:
        NestedTooDeeply: If it has more than `DEEPEST` levels, or is inside itself.
        RepeatsTooMuch: If its aliases stand for more than `MOST_REPEATED` values.
        yaml.YAMLError: If it is not one YAML document, or has tags that build objects.
    """
    _check_bounds(text, inside_itself=False)
    try:
        return yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError:
        raise
    except Exception as error:  # PyYAML's own, about a date or a number that is none
        raise yaml.YAMLError(f"a value is not of the kind it claims: {error}") from error


def compose(text: str) -> yaml.Node | None:
    """A YAML text as nodes: parsed but not turned into objects, so that lines and tags are there.

    Raises:
        NestedTooDeeply: If it has more than `DEEPEST` levels.
        RepeatsTooMuch: If its aliases stand for more than `MOST_REPEATED` values.
        yaml.YAMLError: If it is not one YAML document.
    """
    _check_bounds(text, inside_itself=True)
    return yaml.compose(text, Loader=_LOADER)


def key_line(text: str, keys: Sequence[str | int]) -> int | None:
    """The line of a text in which a key stands, counted from 1.

    Args:
        text: That `compose` reads.
        keys: The way from the top: keys of mappings, positions in lists.

    Returns:
        Of a key that is not there, the line of the nearest one above it; None if there is none.
    """
    node, line = compose(text), None
    for key in keys:
        found = None
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:  # of two, the last one counts
                found = (name, value) if name.value == str(key) else found
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = (node.value[key], node.value[key])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _check_bounds(text: str, *, inside_itself: bool) -> None:
    sizes: dict[str | None, int] = {}  # values that an anchor names, with its aliases written out
    counts: list[int] = [0]  # of the text and each open collection, from the outermost
    anchors: list[str | None] = []
    repeated = 0
    for event in _events(text):
        if isinstance(event, yaml.ScalarEvent):
            counts[-1] += 1
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            counts.append(1)
            anchors.append(event.anchor)
            if len(counts) > DEEPEST + 1:
                raise NestedTooDeeply
        elif isinstance(event, yaml.CollectionEndEvent):
            size = counts.pop()
            sizes[anchors.pop()] = size
            counts[-1] += size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in anchors and not inside_itself:
                raise NestedTooDeeply
            size = sizes.get(event.anchor, 1)
            counts[-1] += size
            repeated += size
            if repeated > MOST_REPEATED:
                raise RepeatsTooMuch


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        # They come one by one from a parser that keeps its own stack; the composer recurses.
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        # The C library reads ahead, and newer ones refuse 1,000 levels before the first event.
        if "maximum nesting depth" in str(error.problem):
            raise NestedTooDeeply from error
        raise
