import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packs import RECIPE

from sslkit.cli import main
from sslkit.recipe import (
    find_recipe,
    list_recipes,
    load_card,
    print_recipes,
    recipe_rows,
    recipe_table,
)
from sslkit.recipe.listing import choose_recipes, figure_of


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
        ({"metric": "kn"}, r"no card has a figure called 'kn': there is knn20, knn200, linear"),
        ({"min_accuracy": 99.9}, r"expects linear of at least 99.9 %. Left out: \d+ recipes"),
        ({"max_minutes": 0, "min_accuracy": 1}, r"at least 1 % and took at most 0 min"),
    ],
)
def test_nothing_like_it_says_what_there_is(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe_rows(**wanted)


def test_the_best_come_first_and_those_without_figures_last() -> None:
    cards = {name: load_card(find_recipe(name)) for name in list_recipes()}
    for metric in ("linear", "knn200"):
        best = [
            figure_of(cards[name], metric)
            for name in choose_recipes(sort="accuracy", metric=metric).recipes
        ]
        known = [value for value in best if value is not None]
        assert known and best == [*sorted(known, reverse=True), *[None] * best.count(None)]
        assert best[-1] is None
    minutes = [row[-1] for row in recipe_rows(sort="cost")]
    timed = [text for text in minutes if text != "not timed"]
    assert minutes == [*sorted(timed, key=float), *["not timed"] * minutes.count("not timed")]
    assert 0 < len(timed) < len(minutes)


def test_what_cannot_be_sorted_or_compared_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    cards = choose_recipes().recipes.values()
    untimed = sum(card is None or card.minutes is None for card in cards)
    without = sum(figure_of(card, "linear") is None for card in cards)
    assert choose_recipes().notes == ()
    (note,) = choose_recipes(sort="accuracy").notes
    assert note.startswith(f"Last: {without} recipes without a linear figure on their card")
    assert "--metric takes knn20 or knn200 too" in note
    (note,) = choose_recipes(max_minutes=5, sort="cost").notes
    assert note.startswith(f"Left out: {untimed} recipes without minutes on their card")
    assert main(["recipe", "list", "--sort", "cost", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("recipe,") and "Last:" not in out
    assert err.startswith(f"Last: {untimed} recipes without minutes")


def test_recipes_are_chosen_by_figure_and_minutes() -> None:
    cheap = choose_recipes(min_accuracy=40, max_minutes=12).recipes
    every = choose_recipes().recipes
    assert 0 < len(cheap) < len(every)
    for name, card in every.items():
        figure = figure_of(card, "linear")
        reached = figure is not None and figure >= 40
        timed = card is not None and card.minutes is not None and card.minutes <= 12
        assert (name in cheap) == (reached and timed), name
    top = figure_of(next(iter(choose_recipes(sort="accuracy").recipes.values())), "linear")
    assert top is not None and choose_recipes(min_accuracy=top).recipes  # at least: not above


def test_added_recipes_are_listed_and_a_broken_one_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path))
    (tmp_path / "birds.yaml").write_text(RECIPE)
    (tmp_path / "broken.yaml").write_text("[")
    rows = {row[0]: row[1:] for row in recipe_rows()}
    assert rows["user/birds"] == ("SimCLR", "birds", "untested", "no figures", "not timed")
    assert rows["user/broken"] == ("", "", "no valid card", "", "")
    assert rows.keys() == {*list_recipes(), "user/birds", "user/broken"}
    assert [row[0] for row in recipe_rows(dataset="bird")] == ["user/birds"]
