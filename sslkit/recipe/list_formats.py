"""A list of recipes for people (a table, Markdown) and for programs (CSV, JSON)."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sslkit.card import Card
from sslkit.recipe.listing import choose_recipes, figure_of

Format = Literal["table", "markdown", "csv", "json"]
"""As what recipes are printed."""

_HEADINGS = ("recipe", "method", "dataset", "status", "expected", "minutes")


def recipe_rows(**chosen: Any) -> list[tuple[str, ...]]:
    """One row for each recipe, shipped or added, in the columns of `recipe_table`.

    Args:
        chosen: As `sslkit.recipe.listing.choose_recipes` takes it: ``method``, ``dataset``,
            ``status``, ``metric``, ``min_accuracy``, ``max_minutes`` and ``sort``.

    Raises:
        ValueError: If no recipe is like that; says what there is.
    """
    return [_row(name, card) for name, card in choose_recipes(**chosen).recipes.items()]


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


def print_listing(form: Format, **chosen: Any) -> None:
    """Print recipes in a format, and on stderr what was left out or could not be sorted.

    Args:
        form: The format.
        chosen: As for `recipe_rows`.

    Raises:
        ValueError: As `recipe_rows`.
    """
    listing = choose_recipes(**chosen)
    if form == "table":
        print_recipes([_row(name, card) for name, card in listing.recipes.items()])
    else:
        write = {"markdown": _markdown, "csv": _csv, "json": _json}[form]
        print(write(listing.recipes))
    for note in listing.notes:
        print(note, file=sys.stderr)


def _row(name: str, card: Card | None) -> tuple[str, ...]:
    if card is None:
        return (name, "", "", "no valid card", "", "")
    expected = ", ".join(f"{figure.metric} {figure.value:g} %" for figure in card.expected)
    minutes = "not timed" if card.minutes is None else f"{card.minutes:g}"
    return (name, card.method, card.dataset, card.status, expected or "no figures", minutes)


def _markdown(recipes: Mapping[str, Card | None]) -> str:
    lines = [_HEADINGS, ("---",) * len(_HEADINGS)]
    lines += [_row(name, card) for name, card in recipes.items()]
    # What a card says is a cell and no markup.
    cells = ([" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _csv(recipes: Mapping[str, Card | None]) -> str:
    """A column for each metric that one of them has, in percent; empty is not known."""
    metrics = sorted({f.metric for card in recipes.values() if card for f in card.expected})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*_HEADINGS[:4], *metrics, "minutes"])
    for name, card in recipes.items():
        about = [card.method, card.dataset, card.status] if card else ["", "", ""]
        figures = [figure_of(card, metric) for metric in metrics]
        table.writerow([name, *about, *figures, card.minutes if card else None])
    return text.getvalue().rstrip("\n")


def _json(recipes: Mapping[str, Card | None]) -> str:
    """Whole cards; null where there is no valid one."""
    plain = [{"recipe": n, "card": card and card.plain()} for n, card in recipes.items()]
    return json.dumps(plain, indent=2, ensure_ascii=False)
