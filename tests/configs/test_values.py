from pathlib import Path

import pytest

from sslkit.configs.values import (
    config_values,
    line_of,
    nodes_of,
    option_values,
    read_nodes,
    repeated_keys,
)


def test_values_of_a_file_have_their_keys_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model:\n  class_path: a.B\n  sizes: [1, two]\nseed: 0\n")
    found = [(v.keys, v.text, v.line) for v in config_values(read_nodes(path))]
    assert found == [
        (("model", "class_path"), "a.B", 2),
        (("model", "sizes", "0"), "1", 3),
        (("model", "sizes", "1"), "two", 3),
        (("seed",), "0", 4),
    ]


def test_values_of_plain_data_are_its_texts() -> None:
    config = {"a": [{"class_path": "x.Y"}, 3, None], "b": "text"}
    found = [(v.keys, v.text, v.line) for v in config_values(config)]
    assert found == [(("a", "0", "class_path"), "x.Y", None), (("b",), "text", None)]


@pytest.mark.parametrize("keys", [("model", "class_path"), ("model.class_path",), ("0", "1")])
def test_the_innermost_key_skips_positions_and_dots(keys: tuple[str, ...]) -> None:
    (value,) = config_values("text", keys)
    assert value.key == ("class_path" if keys[0] != "0" else "")


def test_an_alias_inside_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "loop.yaml"
    path.write_text("a: &a\n  - *a\n  - end\n")
    assert [v.text for v in config_values(read_nodes(path))] == ["end"]


def test_tags_are_reported_on_every_kind_of_node(tmp_path: Path) -> None:
    path = tmp_path / "tags.yaml"
    path.write_text(
        "a: !!python/name:os.system\n"
        "b: !mine {x: 1}\n"
        "c: !!python/tuple [1]\n"
        "!!python/name:o.s : 1\n"
    )
    tags = [(v.tag, v.line) for v in config_values(read_nodes(path)) if v.tag]
    assert tags == [
        ("tag:yaml.org,2002:python/name:os.system", 1),
        ("!mine", 2),
        ("tag:yaml.org,2002:python/tuple", 3),
        ("tag:yaml.org,2002:python/name:o.s", 4),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1, 2\nb: 3\n", r"bad\.yaml, line 2: not valid YAML"),
        (b"a: 1\n---\nb: 2\n", r"bad\.yaml, line 2: not valid YAML"),
        (b"\xff\xfe\x00a", "not a text file in UTF-8"),
        (b"a: \x00", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_yaml_names_itself(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_nodes(path)


def test_a_text_that_is_yaml_is_walked_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "a: 1\nb: '{class_path: x.Y}'\nc: |\n  - p.Q\n  - [r.S]\nd: 'e: !!python/tuple f'\n"
    )
    values = list(config_values(read_nodes(path)))
    found = {(v.keys, v.text): v.line for v in values}
    assert found[("b", "class_path"), "x.Y"] == 2
    assert found[("c", "0"), "p.Q"] == 3
    assert found[("c", "1", "0"), "r.S"] == 3
    assert [v.line for v in values if v.tag] == [6]
    assert [v.text for v in config_values("{a: b}", ("model",))] == ["{a: b}", "b"]


def test_an_alias_is_walked_under_each_key(tmp_path: Path) -> None:
    path = tmp_path / "alias.yaml"
    path.write_text("a: &x {class_path: p.Q}\nb: *x\nc: [*x, *x]\n")
    found = [v.keys for v in config_values(read_nodes(path))]
    assert found == [("a", "class_path"), ("b", "class_path"), ("c", "0", "class_path")]


def test_many_aliases_of_aliases_do_not_multiply(tmp_path: Path) -> None:
    path = tmp_path / "laughs.yaml"
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    path.write_text("\n".join(lines[:11]))
    assert len(list(config_values(read_nodes(path)))) < 100
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="longer than it looks"):
        read_nodes(path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--a", "1", "--b.c=2", "--d=", "--e=f=g"], ["a 1", "b.c 2", "d ", "e f=g"]),
        (["-c", "x.yaml", "-cy.yaml", "-c=z.yaml"], ["c x.yaml", "c y.yaml", "c z.yaml"]),
        (["--a+", "1", "--a+=2"], ["a 1", "a 2"]),
        (["--a", "-1", "--b", "-.5", "--c", "-"], ["a -1", "b -.5", "c -"]),
        (["fit", "--flag", "--a", "1", "2"], ["a 1", "a 2"]),
    ],
)
def test_options_have_their_values(arguments: list[str], expected: list[str]) -> None:
    assert [f"{key} {value}" for key, value in option_values(arguments)] == expected


def test_a_key_that_stands_twice_is_found_with_its_line() -> None:
    text = "a: 1\nb: {c: 1, c: 2}\nd:\n  - {e: 1}\n  - e: 1\n    e: 2\na: 3\nx: &x {y: 1}\nz: *x\n"
    found = [(".".join(value.keys), value.line) for value in repeated_keys(nodes_of(text))]
    assert found == [("b.c", 2), ("d.1.e", 6), ("a", 7)]
    assert not list(repeated_keys(nodes_of("&a [*a]")))
    assert not list(repeated_keys(None))


NESTED = """\
trainer:
  callbacks:
    - class_path: a.B
    - init_args: {x: 1}
      class_path: a.C
model:
  init_args:
    encoder:
      class_path: a.E
      init_args:
        name: y
  class_path: a.D
seed: 0
"""


@pytest.mark.parametrize(
    ("key", "message", "line"),
    [
        ("seed", "", 13),
        ("model", "", 12),
        ("model.encoder", "", 9),
        ("model.encoder.name", "", 11),
        ("trainer.callbacks", "", 3),
        ("trainer.callbacks", "it names a.C which is wrong", 5),
        ("model.missing", "", None),
        ("seed.more", "", None),
    ],
)
def test_where_a_key_stands(key: str, message: str, line: int | None) -> None:
    assert line_of(nodes_of(NESTED), key, message) == line
    assert line_of(None, key) is None
