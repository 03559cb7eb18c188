"""Every value of a config, with the key that leads to it and, in a file, its line."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sslkit import plain_yaml

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in "null bool int float timestamp binary str seq map merge value".split()
)

# Without one of these a text is no mapping and no list; most are told so without parsing them.
_MAYBE_COLLECTION = re.compile(r"[:\[{?]|^\s*-\s", re.MULTILINE)


@dataclass(frozen=True)
class Value:
    """One text value of a config.

    Args:
        keys: The way to it from the top; positions in a list count from 0.
        text: What stands there.
        line: Line in the file, from 1, or None outside a file.
        tag: A YAML tag (``!!python/name:os.system``) that is not one of plain data.
    """

    keys: tuple[str, ...]
    text: str
    line: int | None = None
    tag: str | None = None

    @property
    def key(self) -> str:
        """The innermost key's last word: ``class_path`` of ``model.class_path``."""
        names = [key for key in self.keys if not key.isdigit()]
        return names[-1].rsplit(".", 1)[-1] if names else ""


def read_nodes(path: Path) -> yaml.Node | None:
    """A YAML file as nodes: parsed but not turned into objects, so that lines and tags are there.

    Raises:
        ValueError: If the file is not text, not one YAML document, or more than can be looked at;
            says where.
    """
    try:
        return plain_yaml.compose(path.read_text(encoding="utf-8"))
    except plain_yaml.Unbounded as error:
        raise ValueError(f"{path} is {error}.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8, so it is no config.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error


def repeated_keys(node: yaml.Node | None, keys: tuple[str, ...] = ()) -> Iterator[Value]:
    """Keys that stand twice in one mapping, of which YAML would silently keep the last.

    Args:
        node: Of a file; aliases are not followed twice.
        keys: The way from the top to ``node``.

    Yields:
        The second of each, with its line.
    """
    yield from (key for key, again in _keys(node, keys, set()) if again)


def dotted_keys(node: yaml.Node | None) -> Iterator[Value]:
    """Keys like ``data.source``, which the parser reads as two; a card's are left out.

    Args:
        node: Of a file.
    """
    if not isinstance(node, yaml.MappingNode):
        return
    # Left out before the walk: what stands in the card may stand elsewhere again, as an alias.
    others = [(key, value) for key, value in node.value if str(key.value) != "recipe"]
    found = _keys(yaml.MappingNode(node.tag, others), (), set())
    yield from (key for key, _ in found if "." in key.text)


def line_of(node: yaml.Node | None, key: str, message: str = "") -> int | None:
    """The line in which a value stands, counted from 1, or None where it is not there.

    Args:
        node: Of a file.
        key: As messages have it: without ``init_args``, as ``model.encoder.name``. Of a class it is
            the line that names the class.
        message: Of a list it is the entry whose class is named here, if one is.
    """
    keys = key.split(".")
    while keys:
        inside = dict(_children(node))
        if keys[0] in inside:
            node = inside[keys.pop(0)]
        elif "init_args" in inside:
            node = inside["init_args"]
        else:
            return None
    for entry in node.value if isinstance(node, yaml.SequenceNode) else ():
        named = dict(_children(entry)).get("class_path", entry)
        if isinstance(named, yaml.ScalarNode) and named.value in message.split():
            node = entry
    if node is None:
        return None
    return dict(_children(node)).get("class_path", node).start_mark.line + 1


def _children(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield str(key.value), value


def nodes_of(text: str) -> yaml.Node | None:
    """A text as YAML nodes, or None when it is empty or not YAML.

    Raises:
        Unbounded: If it has more levels, or stands for more, than can be looked at.
    """
    try:
        return plain_yaml.compose(text)
    except yaml.YAMLError:
        return None


def config_values(config: Any, keys: tuple[str, ...] = ()) -> Iterator[Value]:
    """Walk a config, as YAML nodes or as plain mappings, sequences and scalars.

    A text that is YAML itself (``"{class_path: a.B}"``) is walked too: the parser reads it.

    Args:
        config: A ``yaml.Node``, a mapping, a list or a scalar.
        keys: The way from the top to ``config``.

    Yields:
        Text values in their order; of nodes also every scalar and every unusual tag.

    Raises:
        NestedTooDeeply: If it is inside itself, or has as many levels as if it were.
    """
    if len(keys) > plain_yaml.DEEPEST:
        raise plain_yaml.NestedTooDeeply
    if isinstance(config, yaml.Node):
        yield from _of_node(config, keys, set())
    elif isinstance(config, str):
        yield from _of_text(Value(keys, config))
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from config_values(value, (*keys, str(key)))
    elif isinstance(config, Iterable) and not isinstance(config, bytes):
        for position, value in enumerate(config):
            yield from config_values(value, (*keys, str(position)))


def option_values(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options on a command line and their values.

    Args:
        arguments: ``["--model.temperature", "0.1", "--data=data.yaml", "-cmine.yaml", ...]``.

    Yields:
        ``("model.temperature", "0.1")``. An option without a value is left out, and so is a value
        without an option.
    """
    key = ""
    for argument in arguments:
        value = argument
        if argument.startswith("--"):
            key, _, value = argument[2:].partition("=")
            if "=" not in argument:
                continue
        elif argument.startswith("-") and argument[1:2].isalpha():
            # One letter, to which the value may be glued: -c FILE, -cFILE and -c=FILE.
            key, value = argument[1], argument[2:].removeprefix("=")
            if argument[2:] == "":
                continue
        if key:
            yield key.rstrip("+"), value


def _of_node(
    node: yaml.Node, keys: tuple[str, ...], seen: set[tuple[int, str, str]]
) -> Iterator[Value]:
    if len(keys) > plain_yaml.DEEPEST:  # text in text adds to the levels of each
        raise plain_yaml.NestedTooDeeply
    line = node.start_mark.line + 1
    if node.tag not in _PLAIN_TAGS:
        yield Value(keys, node.tag, line, tag=node.tag)
    if isinstance(node, yaml.ScalarNode):
        yield from _of_text(Value(keys, node.value, line))
        return
    # An alias is the same node again, and may be inside itself. Under another key it may mean
    # something else.
    place = (id(node), keys[0] if keys else "", Value(keys, "").key)
    if place in seen:
        return
    seen.add(place)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag not in _PLAIN_TAGS:
                yield Value(keys, key.tag, key.start_mark.line + 1, tag=key.tag)
            yield from _of_node(value, (*keys, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _of_node(value, (*keys, str(position)), seen)


def _keys(
    node: yaml.Node | None, keys: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[Value, bool]]:
    """Every key in its order, and whether it stands in its mapping for another time.

    What an alias names again is passed over.
    """
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _keys(item, (*keys, str(position)), seen)
        return
    names: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        yield Value((*keys, name), name, key.start_mark.line + 1), name in names
        names.add(name)
        yield from _keys(value, (*keys, name), seen)


def _of_text(value: Value) -> Iterator[Value]:
    yield value
    node = nodes_of(value.text) if _MAYBE_COLLECTION.search(value.text) else None
    if isinstance(node, yaml.CollectionNode):
        for inner in _of_node(node, value.keys, set()):
            yield replace(inner, line=value.line)
