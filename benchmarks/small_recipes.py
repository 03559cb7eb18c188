"""The recipes of ``small/``: their models, and which are another one's with plug-ins."""

from functools import cache
from typing import Any

import yaml

from sslkit.recipe import find_recipe, list_recipes

FOLDER = "small/"


@cache
def models() -> dict[str, dict[str, Any]]:
    """The model of each recipe, by its name without the folder."""
    names = [name for name in list_recipes() if name.startswith(FOLDER)]
    return {
        name.removeprefix(FOLDER): yaml.safe_load(find_recipe(name).read_text())["model"]
        for name in names
    }


def plain(method: str) -> str | None:
    """The recipe that one is without its plug-ins; None where it has none.

    Raises:
        ValueError: If no recipe is.
    """
    model = models()[method]
    if not model["init_args"].get("plugins"):
        return None
    bare = model | {"init_args": {k: v for k, v in model["init_args"].items() if k != "plugins"}}
    for name, other in models().items():
        if other == bare:
            return name
    raise ValueError(
        f"small/{method} is not another recipe of small/ with plug-ins, so there is nothing to "
        "compare it with: add that recipe, or undo what else differs."
    )
