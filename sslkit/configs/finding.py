"""Recipes found by name: those that ship with the toolkit.

A recipe is a config of ``sslkit fit`` with a card on top.
"""

import difflib
from functools import cache
from pathlib import Path


@cache
def recipe_folder() -> Path:
    """The folder of the shipped recipes: inside an installed wheel, beside the package otherwise.

    Raises:
        FileNotFoundError: If the installation has none.
    """
    package = Path(__file__).resolve().parent.parent
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
    return path if path.is_file() else shipped_recipe(name_or_path)


def shipped_recipe(name: str) -> Path:
    """The file of a shipped recipe, whatever lies in the working directory.

    Args:
        name: As `list_recipes` has it.

    Raises:
        FileNotFoundError: If there is none of this name; names the closest.
    """
    names = list_recipes()
    if name in names:
        return recipe_folder() / f"{name}.yaml"
    wanted = name.removesuffix(".yaml")
    same_method = [known for known in names if known.split("/")[-1] == wanted]
    close = same_method or difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise FileNotFoundError(
        f"{name!r} is neither a config file nor a shipped recipe.{hint} "
        "`sslkit recipe list` shows the shipped ones."
    )
