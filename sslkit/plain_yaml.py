"""YAML read as plain data, to a bounded depth: how deep a reader goes does not depend on Python."""

from typing import Any

import yaml

DEEPEST = 64  # levels; the shipped recipes have 7

# What the parser of configs reads with, so that nothing has two readings. Both are safe loaders;
# the one in C is some ten times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NestedTooDeeply(ValueError):
    """A text has more levels than any config, or is inside itself."""

    def __init__(self) -> None:
        super().__init__(f"nested too deeply: more than {DEEPEST} levels")


def load(text: str) -> Any:
    """What a YAML text holds, as mappings, lists and scalars.

    Raises:
        NestedTooDeeply: If it has more than `DEEPEST` levels.
        yaml.YAMLError: If it is not one YAML document, or has tags that build objects.
    """
    _check_depth(text)
    return yaml.load(text, Loader=_LOADER)


def compose(text: str) -> yaml.Node | None:
    """A YAML text as nodes: parsed but not turned into objects, so that lines and tags are there.

    Raises:
        NestedTooDeeply: If it has more than `DEEPEST` levels.
        yaml.YAMLError: If it is not one YAML document.
    """
    _check_depth(text)
    return yaml.compose(text, Loader=_LOADER)


def _check_depth(text: str) -> None:
    depth = 0
    try:
        # Events come one by one from a parser that keeps its own stack; the composer recurses.
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise NestedTooDeeply
    except yaml.scanner.ScannerError as error:
        # The C library reads ahead, and newer ones refuse 1,000 levels before the first event.
        if "maximum nesting depth" in str(error.problem):
            raise NestedTooDeeply from error
        raise
