from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from sslkit.card import Card, Figure, load_card
from sslkit.configs.allowlist import install_allowlist

FIGURE = {"metric": "linear", "value": 81, "protocol": "frozen features", "source": "five runs"}
CARD = {
    "name": "mine",
    "method": "SimCLR",
    "dataset": "mine",
    "summary": "A try.",
    "seed": 0,
    "status": "untested",
}


def write(folder: Path, card: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"recipe": card, "seed_everything": 0}))
    return path


def test_a_card_is_read_with_its_types(tmp_path: Path) -> None:
    card = load_card(write(tmp_path, {**CARD, "expected": [FIGURE], "minutes": 4}))
    assert card == Card(
        name="mine",
        method="SimCLR",
        dataset="mine",
        summary="A try.",
        seed=0,
        status="untested",
        expected=[Figure(**FIGURE)],
        minutes=4,
    )


def test_a_card_as_plain_values_is_the_same_card(tmp_path: Path) -> None:
    given = {**CARD, "version": 1, "expected": [{**FIGURE, "tolerance": 1.5}], "changed": ["a.b"]}
    for plain in (given, {**CARD, "version": 1}):
        card = load_card(write(tmp_path, plain))
        assert card is not None
        assert card.plain() == plain


def test_a_config_without_a_card_has_none(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("seed_everything: 0\n")
    assert load_card(path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nam": "x"}, r"recipe\.nam is not a key of the card; did you mean name\?"),
        ({"zzz": "x"}, r"recipe\.zzz is not a key of the card; the keys are name"),
        ({"seed": "zero"}, r"recipe\.seed must be a whole number, got 'zero'"),
        ({"seed": True}, r"recipe\.seed must be a whole number, got True"),
        ({"seed": 1.5}, r"recipe\.seed must be a whole number, got 1\.5"),
        ({"name": 3}, r"recipe\.name must be text, got 3"),
        ({"minutes": "four"}, r"recipe\.minutes must be a number"),
        ({"status": "good"}, r"recipe\.status must be one of measured, published, untested"),
        ({"version": 2}, r"recipe: version is that of the card's schema, and this sslkit knows"),
        ({"version": "1"}, r"recipe\.version must be a whole number"),
        ({"expected": [{**FIGURE, "tolerance": float("inf")}]}, "tolerance of linear is in"),
        *(
            ({"name": name}, "recipe: name is the recipe's path in a folder of recipes")
            for name in ("", "../x", "/x", "a/../b", "a//b", "C:x", "a\\b", "a\nb", ".", "~/x")
        ),
        ({"summary": "a \x1b[31mred\x1b[0m one"}, r"recipe\.summary has characters"),
        ({"changed": "data"}, r"recipe\.changed must be a list"),
        ({"devices": 0}, "recipe: devices must be at least 1, got 0"),
        ({"status": ["measured"]}, r"recipe\.status must be one of"),
        ({"expected": FIGURE}, r"recipe\.expected must be a list"),
        ({"expected": ["81 %"]}, r"recipe\.expected\[0\] must be a mapping"),
        ({"expected": [{**FIGURE, "val": 1}]}, r"recipe\.expected\[0\]\.val is not a key"),
        ({"expected": [{**FIGURE, "value": 181}]}, r"recipe\.expected\[0\]: value of linear"),
        ({"status": "published"}, "status published must also have expected, paper"),
        (
            {"status": "measured", "expected": [FIGURE]},
            "status measured must also have hardware, minutes, sslkit",
        ),
    ],
)
def test_a_wrong_card_names_the_file_and_the_key(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"mine\.yaml, line \d+: .*{message}"):
        load_card(write(tmp_path, {**CARD, **change}))


TEXT = """\
seed_everything: 0
recipe:
  name: mine
  method: SimCLR
  dataset:
    mine
  summary: A try.
  seed: 0
  status: untested
  expected:
  - {metric: linear, value: 81, protocol: frozen, source: runs}
  - metric: knn20
    value: 70
    protocol: frozen
    source: runs
"""


@pytest.mark.parametrize(
    ("line", "old", "new", "message"),
    [
        (4, "method", "metod", "recipe.metod is not a key"),
        (2, "  summary: A try.\n", "", "recipe.summary is missing"),
        (5, "    mine", "    7", "recipe.dataset must be text, got 7"),
        (8, "seed: 0\n  st", "seed: x\n  st", "recipe.seed must be a whole number"),
        (9, "untested", "good", "recipe.status must be one of"),
        (3, "name: mine", "name: ../mine", "recipe: name is the recipe's path"),
        (2, "untested", "published", "recipe: a recipe with status published must also have"),
        (11, "value: 81", "value: 181", "recipe.expected[0]: value of linear is a percentage"),
        (13, "value: 70", "value: x", "recipe.expected[1].value must be a number, got 'x'"),
        (12, "    source: runs\n", "", "recipe.expected[1].source is missing"),
        (
            16,
            "    source: runs\n",
            "    source: runs\n    val: 1\n",
            "recipe.expected[1].val is not",
        ),
        (2, TEXT[19:], "recipe: [1]\n", "recipe must be a mapping, got [1]"),
        (9, "seed: 0\n  st", "seed: 0\n  seed: x\n  st", "recipe.seed must be"),
    ],
)
def test_a_wrong_card_names_the_line(
    tmp_path: Path, line: int, old: str, new: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(new.join(TEXT.rsplit(old, 1)))
    with pytest.raises(ValueError) as refused:
        load_card(path)
    assert str(refused.value).startswith(f"{path}, line {line}: {message}")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    card = {key: value for key, value in CARD.items() if key != "dataset"}
    with pytest.raises(ValueError, match=r"recipe\.dataset is missing"):
        load_card(write(tmp_path, card))


@pytest.mark.parametrize("content", ["- a\n- b\n", "text", "a: [1", "\x00"])
def test_what_is_no_config_names_the_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.yaml is not"):
        load_card(path)


def parser() -> ArgumentParser:
    result = ArgumentParser(exit_on_error=False)
    result.add_argument("--config", action="config")
    result.add_argument("--recipe", type=Card | None, default=None)
    return result


def test_the_parser_of_configs_checks_a_card_too(tmp_path: Path) -> None:
    install_allowlist()
    config = tmp_path / "a.yaml"
    for card in (CARD, {**CARD, "expected": [FIGURE]}):
        config.write_text(yaml.safe_dump({"recipe": card}))
        parsed = parser().instantiate(parser().parse_args([f"--config={config}"]))
        assert parsed.recipe == load_card(config)
        saved = parser().dump(parser().parse_args([f"--config={config}"]))
        again = parser().instantiate(parser().parse_string(saved))
        assert again.recipe == parsed.recipe
    for change in ({"nam": "x"}, {"seed": "zero"}, {"status": "good"}, {"expected": [{"a": 1}]}):
        config.write_text(yaml.safe_dump({"recipe": {**CARD, **change}}))
        with pytest.raises(ArgumentError):
            parser().parse_args([f"--config={config}"])
