"""The same recipes for people and for programs."""

import csv
import io
import json
from pathlib import Path

import pytest
from packs import RECIPE

from sslkit.cli import main
from sslkit.recipe import find_recipe, list_recipes, load_card

PIPE = RECIPE.replace("dataset: birds", "dataset: birds | a\tb")


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["recipe", "list", *options]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path))
    return tmp_path


def test_json_has_every_card_whole(capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    (mine / "broken.yaml").write_text("[")
    found = {
        entry["recipe"]: entry["card"] for entry in json.loads(printed(capsys, "--format=json"))
    }
    assert found.keys() == {*list_recipes(), "user/broken"}
    assert found["user/broken"] is None
    card = load_card(find_recipe("small/moco"))
    assert card is not None and found["small/moco"] == card.plain()


def test_csv_has_a_column_for_each_metric(capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    (mine / "broken.yaml").write_text("[")
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--format", "csv"))))
    assert list(rows[0]) == [
        *("recipe", "method", "dataset", "status"),
        *("knn20", "knn200", "linear", "minutes"),
    ]
    by_name = {row["recipe"]: row for row in rows}
    card = load_card(find_recipe("small/moco"))
    assert card is not None and card.minutes is not None
    assert {f.metric: f.value for f in card.expected} == {
        metric: float(by_name["small/moco"][metric]) for metric in ("knn20", "linear")
    }
    assert float(by_name["small/moco"]["minutes"]) == card.minutes
    assert by_name["small/moco"]["knn200"] == ""
    assert set(by_name["user/broken"].values()) == {"user/broken", ""}


def test_markdown_has_a_row_for_each_whatever_a_card_says(
    capsys: pytest.CaptureFixture[str], mine: Path
) -> None:
    (mine / "birds.yaml").write_text(PIPE)
    head, line, *rows = printed(capsys, "--format", "markdown", "--method", "simclr").splitlines()
    assert head == "| recipe | method | dataset | status | expected | minutes |"
    assert set(line) == {"|", "-", " "}
    assert len(rows) == len([r for r in rows if r.startswith("| ") and r.endswith(" |")]) > 3
    birds = next(row for row in rows if "user/birds" in row)
    assert birds == (r"| user/birds | SimCLR | birds \| a b | untested | no figures | not timed |")


def test_an_unknown_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "list", "--format", "xml"]) == 1
    assert "markdown" in capsys.readouterr().err
