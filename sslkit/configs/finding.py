"""Recipes found by name: those that ship with the toolkit, and those that the user added.

A recipe is a config of ``sslkit fit`` with a card on top. Added ones are named ``user/...``, so
that none can take the place of a shipped one.
"""

import difflib
import os
import re
from functools import cache
from pathlib import Path

USER = "user/"
PACK = ".sslrecipe"
# As file systems everywhere keep them apart, and shells take them as they are.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_LONGEST = 100


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


def user_folder() -> Path:
    """Where added recipes lie: ``$SSLKIT_RECIPES``, else ``sslkit/recipes`` of the user's settings.

    These are in ``$XDG_CONFIG_HOME``, or ``~/.config`` where that is not set.
    """
    if own := os.environ.get("SSLKIT_RECIPES"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "sslkit/recipes"


def user_recipes() -> list[str]:
    """Names of the added recipes, sorted: ``["user/birds", ...]``."""
    folder = user_folder()
    files = folder.rglob("*.yaml") if folder.is_dir() else ()
    names = (p.relative_to(folder).with_suffix("").as_posix() for p in files if p.is_file())
    return sorted(f"{USER}{name}" for name in names if _is_name(name))


def user_recipe(name: str) -> Path:
    """Where an added recipe of this name lies, or would.

    Args:
        name: With or without ``user/`` before it.

    Raises:
        ValueError: If no added recipe can have this name.
    """
    bare = name.removeprefix(USER)
    if not _is_name(bare):
        raise ValueError(
            f"{name!r} is no name for a recipe of yours: it has letters, digits, - _ and . in "
            f"parts between slashes (birds/simclr), and at most {_LONGEST} of them."
        )
    return user_folder() / f"{bare}.yaml"


def _is_name(name: str) -> bool:
    parts = name.split("/")
    return (
        len(name) <= _LONGEST
        and all(_PART.fullmatch(part) and not _RESERVED.fullmatch(part) for part in parts)
        and not name.lower().endswith((".yaml", ".yml"))
    )


def find_recipe(name_or_path: str) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: A config file, or the name of a shipped recipe (``cifar10/simclr``) or an
            added one (``user/birds``).

    Raises:
        FileNotFoundError: If it is neither; names the closest recipes.
        ValueError: If it is a pack.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        if path.suffix == PACK:
            raise ValueError(
                f"{path} is a pack: `sslkit recipe add {path}` shows what is in it and adds it, "
                f"`sslkit reproduce {path}` runs it."
            )
        return path
    if name_or_path.startswith(USER):
        names = user_recipes()
        if name_or_path not in names:
            raise _not_there(name_or_path, [*list_recipes(), *names])
        return user_recipe(name_or_path)
    return shipped_recipe(name_or_path)


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
    raise _not_there(name, names)


def _not_there(name: str, names: list[str]) -> FileNotFoundError:
    wanted = name.removesuffix(".yaml")
    same_method = [known for known in names if known.split("/")[-1] == wanted]
    close = same_method or difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    kind = "a recipe that you added" if name.startswith(USER) else "a shipped recipe"
    return FileNotFoundError(
        f"{name!r} is neither a config file nor {kind}.{hint} `sslkit recipe list` shows all."
    )
