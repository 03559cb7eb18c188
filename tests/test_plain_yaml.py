import sys
from collections.abc import Callable

import pytest
import yaml

from sslkit import plain_yaml


@pytest.mark.parametrize("read", [plain_yaml.load, plain_yaml.compose])
@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_the_depth_is_bounded(read: Callable[[str], object], opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    read(opening * plain_yaml.DEEPEST + closing * plain_yaml.DEEPEST)
    for deeper in (plain_yaml.DEEPEST + 1, 100_000):
        with pytest.raises(plain_yaml.NestedTooDeeply, match="more than 64 levels"):
            read(opening * deeper + closing * deeper)


@pytest.mark.parametrize("limit", [500, 20_000])
def test_the_bound_is_not_pythons(limit: int) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        with pytest.raises(plain_yaml.NestedTooDeeply):
            plain_yaml.load("[" * 5000 + "]" * 5000)
    finally:
        sys.setrecursionlimit(before)


def test_levels_are_counted_one_inside_the_other() -> None:
    assert plain_yaml.load("[" + "[], " * 1000 + "]") == [[]] * 1000


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [ls]", "a: [", "a: 1\n---\nb: 2"]
)
def test_only_plain_data_in_one_document(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        plain_yaml.load(text)


def test_nodes_have_lines() -> None:
    node = plain_yaml.compose("a: 1\nb: 2\n")
    assert isinstance(node, yaml.MappingNode)
    assert [key.start_mark.line for key, _ in node.value] == [0, 1]
    assert plain_yaml.compose("") is None
