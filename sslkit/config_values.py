"""Every value of a config, with the key that leads to it and, in a file, its line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in "null bool int float timestamp binary str seq map merge value".split()
)


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
        ValueError: If the file is not text or not one YAML document; says where.
    """
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8, so it is no config.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error


def config_values(config: Any, keys: tuple[str, ...] = ()) -> Iterator[Value]:
    """Walk a config, as YAML nodes or as plain mappings, sequences and scalars.

    Args:
        config: A ``yaml.Node``, a mapping, a list or a scalar.
        keys: The way from the top to ``config``.

    Yields:
        Text values in their order; of nodes also every scalar and every unusual tag.
    """
    if isinstance(config, yaml.Node):
        yield from _of_node(config, keys, set())
    elif isinstance(config, str):
        yield Value(keys, config)
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from config_values(value, (*keys, str(key)))
    elif isinstance(config, Iterable) and not isinstance(config, bytes):
        for position, value in enumerate(config):
            yield from config_values(value, (*keys, str(position)))


def _of_node(node: yaml.Node, keys: tuple[str, ...], seen: set[int]) -> Iterator[Value]:
    line = node.start_mark.line + 1
    if node.tag not in _PLAIN_TAGS:
        yield Value(keys, node.tag, line, tag=node.tag)
    if isinstance(node, yaml.ScalarNode):
        yield Value(keys, node.value, line)
        return
    # An alias is the same node again, and may be inside itself.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag not in _PLAIN_TAGS:
                yield Value(keys, key.tag, key.start_mark.line + 1, tag=key.tag)
            yield from _of_node(value, (*keys, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _of_node(value, (*keys, str(position)), seen)
