"""The table of ``sslkit recipe list``: all recipes, chosen and sorted by their cards."""

import sys
from collections.abc import Sequence
from typing import Literal

from sslkit.card import Card, load_card
from sslkit.configs.finding import list_recipes, recipe_folder, user_recipe, user_recipes

Order = Literal["name", "accuracy", "minutes"]
"""By what recipes are sorted: name, highest figure first, or shortest run first."""

_HEADINGS = ("recipe", "method", "dataset", "status", "expected", "minutes")
# The figure that most recipes have is compared; else whatever a card expects.
_MAIN = "linear"


def recipe_rows(
    *,
    method: str | None = None,
    dataset: str | None = None,
    status: str | None = None,
    sort: Order = "name",
) -> list[tuple[str, ...]]:
    """One row for each recipe, shipped or added, in the columns of `recipe_table`.

    Args:
        method: Only those with this text in the method's name; case does not matter.
        dataset: Only those with this text in the data set's name.
        status: Only those of this status.
        sort: Recipes without the figure or the minutes come last.

    Raises:
        ValueError: If no recipe is like that; says what there is.
    """
    cards = {name: load_card(recipe_folder() / f"{name}.yaml") for name in list_recipes()}
    cards |= {name: _card_of_an_added(name) for name in user_recipes()}
    wanted = {"method": method, "dataset": dataset, "status": status}
    names = [name for name, card in cards.items() if _matches(card, wanted)]
    if not names:
        raise ValueError(f"no recipe has {_asked(wanted)}. {_known(cards, wanted)}")
    names.sort(key=lambda name: (_place(cards[name], sort), name))
    return [_row(name, cards[name]) for name in names]


def recipe_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned plain text under their headings."""
    lines = [_HEADINGS, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def print_recipes(rows: Sequence[Sequence[str]] | None = None) -> None:
    """Print the table: drawn on a terminal, plain text otherwise.

    Args:
        rows: Of `recipe_rows`; None is all recipes by name.
    """
    rows = recipe_rows() if rows is None else rows
    if not sys.stdout.isatty():
        print(recipe_table(rows))
        return
    # Only here: rich takes as long to import as all that finding a recipe needs.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*map(Text, row))  # what a card says is no markup
    Console().print(table)


def _card_of_an_added(name: str) -> Card | None:
    try:
        return load_card(user_recipe(name))
    except (ValueError, OSError):  # of one file in a folder of the user's; the others are listed
        return None


def _matches(card: Card | None, wanted: dict[str, str | None]) -> bool:
    asked = {key: text.lower() for key, text in wanted.items() if text is not None}
    if card is None:
        return not asked
    return all(text in getattr(card, key).lower() for key, text in asked.items())


def _asked(wanted: dict[str, str | None]) -> str:
    return " and ".join(f"{text!r} in its {key}" for key, text in wanted.items() if text)


def _known(cards: dict[str, Card | None], wanted: dict[str, str | None]) -> str:
    """What could have been asked for."""
    known = []
    for key in (key for key, text in wanted.items() if text):
        values = sorted({getattr(card, key) for card in cards.values() if card is not None})
        known.append(f"For {key} there is: {'; '.join(values)}.")
    return " ".join(known)


def _place(card: Card | None, sort: Order) -> float:
    if card is None:
        return float("inf")
    if sort == "minutes":
        return float("inf") if card.minutes is None else card.minutes
    if sort == "accuracy":
        main = [figure.value for figure in card.expected if figure.metric == _MAIN]
        return -max(main or [figure.value for figure in card.expected], default=-float("inf"))
    return 0.0


def _row(name: str, card: Card | None) -> tuple[str, ...]:
    if card is None:
        return (name, "", "", "no valid card", "", "")
    expected = ", ".join(f"{figure.metric} {figure.value:g} %" for figure in card.expected)
    minutes = "" if card.minutes is None else f"{card.minutes:g}"
    return (name, card.method, card.dataset, card.status, expected, minutes)
