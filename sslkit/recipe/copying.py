"""``sslkit recipe copy``: a recipe of one's own to start from, as text, comments and all."""

import os
import re
from pathlib import Path

import yaml

from sslkit.card import load_card
from sslkit.configs.extends import KEY
from sslkit.configs.finding import find_recipe
from sslkit.configs.values import read_nodes

# Of runs of the original; whoever changes a setting has none of them.
_RECORDS = ("expected", "hardware", "minutes", "sslkit", "changed")


def copy_recipe(name: str, destination: str | None = None) -> Path:
    """Copy a recipe under a name of its own, with status ``untested`` and nothing measured.

    Args:
        name: A shipped recipe, or a config file.
        destination: A ``.yaml`` file, or a folder to put it in; None is the working directory.

    Returns:
        The new file.

    Raises:
        FileExistsError: If the file is there; it is not overwritten.
        FileNotFoundError: If there is no such recipe.
        ValueError: If it has no valid card, or the destination is not called ``.yaml``.
    """
    source = find_recipe(name)
    if load_card(source) is None:
        raise ValueError(f"{source} has no card (recipe:), so it is no recipe: copy it as a file.")
    target = _target(source, destination)
    text = _edited(source, target.with_suffix("").name, target)
    text = re.sub(rf"(--config[ =]){re.escape(name)}(?![\w/.-])", lambda m: f"{m[1]}{target}", text)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
    return target


def _target(source: Path, destination: str | None) -> Path:
    target = Path(destination or ".").expanduser()
    if target.is_dir() or (destination or "").endswith("/"):
        target = target / source.name
    if target.suffix not in (".yaml", ".yml"):
        raise ValueError(f"{target} is no name of a recipe: end it in .yaml, or name a folder.")
    if target.exists():
        raise FileExistsError(
            f"{target} is there already and is not overwritten: give another destination."
        )
    return target


def _edited(source: Path, name: str, target: Path) -> str:
    """The text with another card; every other line as it stands."""
    text = source.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    top = read_nodes(source)
    assert isinstance(top, yaml.MappingNode)  # it has a card
    for key, value in reversed(top.value):
        if key.value == "recipe":
            _edit_card(value, lines, source, name)
        elif key.value == KEY and value.value.endswith((".yaml", ".yml")):
            moved = os.path.relpath(source.parent / value.value, target.parent)
            _replace(lines, value, Path(moved).as_posix())
    return "".join(lines)


def _edit_card(card: yaml.MappingNode, lines: list[str], source: Path, name: str) -> None:
    if card.flow_style:
        raise ValueError(f"the card of {source} is written in braces: write one key a line first.")
    starts = [key.start_mark.line for key, _ in card.value] + [card.end_mark.line]
    for (key, value), start, end in reversed(
        list(zip(card.value, starts[:-1], starts[1:], strict=True))
    ):
        if key.value in _RECORDS:
            # A block ends at the next key; comments and blank lines before that belong to it.
            last = value.end_mark.line + (value.end_mark.column > 0)
            while last > start + 1 and not lines[last - 1].strip():
                last -= 1
            del lines[start : min(last, end)]
        elif key.value in ("name", "status"):
            _replace(lines, value, name if key.value == "name" else "untested")


def _replace(lines: list[str], node: yaml.Node, text: str) -> None:
    at, end = node.start_mark, node.end_mark
    line = lines[at.line]
    written = yaml.safe_dump(text).splitlines()[0]
    lines[at.line] = f"{line[: at.column]}{written}{line[end.column :]}"
