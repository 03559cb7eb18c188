import subprocess
import sys
from pathlib import Path

import pytest
from packs import RECIPE

from sslkit.recipe import (
    find_recipe,
    list_recipes,
    load_card,
    print_recipes,
    recipe_rows,
    recipe_table,
)


def test_the_table_has_a_row_for_each_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_recipes()  # the output is captured, so it is no terminal
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["recipe", "method", "dataset", "status", "expected", "minutes"]
    assert [line.split()[0] for line in lines[1:]] == list_recipes()
    assert "linear 64.5 %" in next(line for line in lines if line.startswith("imagenet1k/simclr"))


def test_on_a_terminal_the_table_is_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    print_recipes()
    drawn = capsys.readouterr().out
    assert "┃" in drawn
    for name in list_recipes():
        assert name in drawn


def test_columns_are_aligned() -> None:
    table = recipe_table([("a" * 20, "b", "", "", "c", ""), ("d", "e" * 9, "", "", "f", "4")])
    lines = table.splitlines()
    assert lines[1].index("b") == lines[2].index("e") == lines[0].index("method")
    assert lines[1].index("c") == lines[2].index("f") == lines[0].index("expected")
    assert all(len(row) == 6 for row in recipe_rows())


def test_finding_recipes_needs_no_torch() -> None:
    code = (
        "import sys; from sslkit.recipe import print_recipes; print_recipes();"
        "assert not {'torch', 'pytorch_lightning', 'numpy', 'jsonargparse'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_rows_are_chosen_by_what_the_cards_say() -> None:
    chosen = recipe_rows(method="MOCO", dataset="cifar", status="published")
    assert chosen
    for name, method, dataset, status, *_ in chosen:
        assert "moco" in method.lower(), name
        assert "cifar" in dataset.lower(), name
        assert status == "published", name
    assert len(recipe_rows(status="measured")) < len(recipe_rows())


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"method": "GAN"}, r"no recipe has 'GAN' in its method. For method there is: BYOL;"),
        ({"dataset": "x-rays", "method": "BYOL"}, r"'BYOL' in its method and 'x-rays' in its"),
    ],
)
def test_nothing_like_it_says_what_there_is(wanted: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe_rows(**wanted)


def test_the_best_come_first_and_those_without_figures_last() -> None:
    cards = {name: load_card(find_recipe(name)) for name in list_recipes()}
    best = []
    for name, *_ in recipe_rows(sort="accuracy"):
        card = cards[name]
        figures = {figure.metric: figure.value for figure in card.expected} if card else {}
        best.append(figures.get("linear", max(figures.values(), default=-1)))
    assert best == sorted(best, reverse=True)
    assert best[0] > 80 > 0 > best[-1]
    minutes = [row[-1] for row in recipe_rows(sort="minutes")]
    known = [float(text) for text in minutes if text]
    assert minutes[: len(known)] == [f"{m:g}" for m in sorted(known)]
    assert known


def test_added_recipes_are_listed_and_a_broken_one_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path))
    (tmp_path / "birds.yaml").write_text(RECIPE)
    (tmp_path / "broken.yaml").write_text("[")
    rows = {row[0]: row[1:] for row in recipe_rows()}
    assert rows["user/birds"] == ("SimCLR", "birds", "untested", "", "")
    assert rows["user/broken"] == ("", "", "no valid card", "", "")
    assert rows.keys() == {*list_recipes(), "user/birds", "user/broken"}
    assert [row[0] for row in recipe_rows(dataset="bird")] == ["user/birds"]
