"""Recipes found by name, and the table of those that ship with the toolkit.

A recipe is a config of ``sslkit fit`` with a card on top. Nothing here needs torch, so that the
command line can list recipes at once.
"""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from sslkit.card import Card, load_card

__all__ = [
    "Card",
    "find_recipe",
    "list_recipes",
    "print_recipes",
    "recipe_folder",
    "recipe_rows",
    "recipe_table",
]

_HEADINGS = ("recipe", "method", "dataset", "status", "expected", "minutes")


def recipe_folder() -> Path:
    """The folder of the shipped recipes: inside an installed wheel, beside the package otherwise.

    Raises:
        FileNotFoundError: If the installation has none.
    """
    package = Path(__file__).resolve().parent
    # A wheel carries them as sslkit/recipes; a checkout and an editable install have them beside
    # the package only.
    for folder in (package / "recipes", package.parent / "recipes"):
        if (folder / "quickstart.yaml").is_file():
            return folder
    raise FileNotFoundError(
        f"the installation of sslkit in {package} has no recipes: install it again, or give the "
        "path of a config file."
    )


def list_recipes() -> list[str]:
    """Names of the shipped recipes, sorted: ``["cifar10/simclr", ..., "quickstart"]``."""
    folder = recipe_folder()
    return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.yaml"))


def find_recipe(name_or_path: str) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: A config file, or the name of a shipped recipe (``cifar10/simclr``).

    Raises:
        FileNotFoundError: If it is neither; names the closest shipped recipes.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    names = list_recipes()
    if name_or_path in names:
        return recipe_folder() / f"{name_or_path}.yaml"
    wanted = name_or_path.removesuffix(".yaml")
    same_method = [name for name in names if name.split("/")[-1] == wanted]
    close = same_method or difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise FileNotFoundError(
        f"{name_or_path!r} is neither a config file nor a shipped recipe.{hint} "
        "`sslkit recipe list` shows the shipped ones."
    )


def recipe_rows() -> list[tuple[str, ...]]:
    """One row for each shipped recipe: name, method, dataset, status, expected figures, minutes."""
    rows: list[tuple[str, ...]] = []
    for name in list_recipes():
        card = load_card(recipe_folder() / f"{name}.yaml")
        if card is None:
            rows.append((name, *[""] * (len(_HEADINGS) - 1)))
            continue
        expected = ", ".join(f"{figure.metric} {figure.value:g} %" for figure in card.expected)
        minutes = "" if card.minutes is None else f"{card.minutes:g}"
        rows.append((name, card.method, card.dataset, card.status, expected, minutes))
    return rows


def recipe_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned plain text under their headings."""
    lines = [_HEADINGS, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def print_recipes() -> None:
    """Print the table of ``sslkit recipe list``: drawn on a terminal, plain text otherwise."""
    rows = recipe_rows()
    if not sys.stdout.isatty():
        print(recipe_table(rows))
        return
    # Only here: rich takes as long to import as all that finding a recipe needs.
    from rich.console import Console
    from rich.table import Table

    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
