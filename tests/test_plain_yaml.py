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


def bomb(levels: int) -> str:
    """Ten names of the line before on each: 10 ** levels values in the last one."""
    lines = ["l0: &l0 x"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels + 1)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("read", [plain_yaml.load, plain_yaml.compose])
def test_what_aliases_stand_for_is_bounded(read: Callable[[str], object]) -> None:
    read(bomb(3))
    for levels in (4, 9, 60):
        with pytest.raises(plain_yaml.RepeatsTooMuch, match="more than 10,000 values"):
            read(bomb(levels))
    merges = "a0: &a0 {k: 1, l: 2}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 9)
    )
    with pytest.raises(plain_yaml.RepeatsTooMuch):
        read(merges)


def test_aliases_in_reason_are_read_and_not_inside_themselves() -> None:
    assert plain_yaml.load("a: &a [1, 2]\nb: *a\nc: {<<: {d: *a}}")["c"] == {"d": [1, 2]}
    for text in ("&a [*a]", "a: &a {b: {c: *a}}"):
        assert isinstance(plain_yaml.compose(text), yaml.CollectionNode)
        with pytest.raises(plain_yaml.NestedTooDeeply):
            plain_yaml.load(text)
    values = ", ".join("x" * 3 for _ in range(2 * plain_yaml.MOST_REPEATED))
    assert len(plain_yaml.load(f"[{values}]")) == 2 * plain_yaml.MOST_REPEATED


def test_levels_are_counted_one_inside_the_other() -> None:
    assert plain_yaml.load("[" + "[], " * 1000 + "]") == [[]] * 1000


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [ls]",
        "a: [",
        "a: 1\n---\nb: 2",
        "a: 2001-02-30",
        "!!int x",
        "!!float ''",
        "!!timestamp x",
        "!!bool x",
        "{[a]: b}",
    ],
)
def test_only_plain_data_in_one_document(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        plain_yaml.load(text)


def test_nodes_have_lines() -> None:
    node = plain_yaml.compose("a: 1\nb: 2\n")
    assert isinstance(node, yaml.MappingNode)
    assert [key.start_mark.line for key, _ in node.value] == [0, 1]
    assert plain_yaml.compose("") is None
