"""``sslkit recipe add``: a stranger's recipe among one's own, once it is known what it asks for."""

import argparse
import hashlib
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sslkit.configs.extends import merged_config
from sslkit.configs.finding import PACK, USER, user_recipe, user_recipes
from sslkit.recipe.address import parse_address
from sslkit.recipe.fetching import fetch
from sslkit.recipe.own_files import Write, check_own, replace_own
from sslkit.recipe.pack_format import COSTS, ENCODER, ENVIRONMENT, EVALUATION, RECIPE, WEIGHTS
from sslkit.recipe.pack_reading import Pack, read_pack
from sslkit.recipe.sections import section
from sslkit.recipe.shared import LARGEST, SharedRecipe, read_shared
from sslkit.recipe.trusting import what_to_trust

Ask = Callable[[str], bool]


def add(options: argparse.Namespace) -> int:
    """Fetch a recipe, show it, and add it.

    Args:
        options: Of `sslkit.recipe.options.recipe_parser`, for ``add``.

    Returns:
        The exit code: 1 where the user said no.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: As `add_recipe`, or if the address is not one that is fetched.
    """
    address = parse_address(options.source)
    fetched = address.kind != "file"
    with tempfile.TemporaryDirectory() as folder:
        file = fetch(address, Path(folder)) if fetched else Path(address.place).expanduser()
        added = add_recipe(
            file,
            origin=options.source if fetched else None,
            name=options.name,
            yes=options.yes,
            trust=options.trust,
        )
    return 0 if added else 1


def add_recipe(
    file: Path,
    *,
    origin: str | None = None,
    name: str | None = None,
    yes: bool = False,
    trust: Sequence[str] = (),
    ask: Ask | None = None,
) -> Path | None:
    """Show what a recipe or pack asks for, and add it to the user's recipes.

    Nothing in it is imported, and nothing but the new files is written: the recipe, and the encoder
    of a pack beside it, as ``NAME.safetensors`` and ``NAME.json``. Files of these names that no
    ``add`` wrote, or that were changed since, are never touched.

    Args:
        file: A pack, or a recipe in YAML that stands alone or extends a shipped one.
        origin: Where it came from, if it was fetched.
        name: Of the recipe among the user's; None takes the card's.
        yes: Add it without asking.
        trust: Modules that it may name; it then runs with ``--trust`` only, as ever.
        ask: Puts a question to the user; None asks on the terminal.

    Returns:
        The recipe's file, or None where the user said no.

    Raises:
        FileExistsError: If a file of the user's is in the way.
        FileNotFoundError: If there is no such file.
        ValueError: If it is no recipe, asks for what is never allowed, or nobody can be asked.
    """
    pack, shared = read_sent(file, trust=trust)
    bare = (name or shared.card.name).removeprefix(USER)
    try:
        target, called = user_recipe(bare), f"{USER}{bare}"
    except ValueError as error:
        raise ValueError(f"{error} Give it one with --name.") from error
    new = _files(target, shared, pack)
    check_own(path for path, _ in new)
    there = _there(called)
    title = f"{called} from {origin or file} ({_size(file)}, SHA-256 {_digest(file)})"
    print(section(title, what_to_trust(shared, pack, there)))
    unknown = [m for m in shared.modules if not f"{m}.".startswith(tuple(f"{t}." for t in trust))]
    if yes and unknown:
        raise ValueError(
            f"{origin or file} names code that is not on the allowlist (see above), which --yes "
            f"does not cover: add {' '.join(f'--trust {module}' for module in unknown)} if you "
            "know it, or leave out --yes to be asked."
        )
    if not yes and not (ask or _ask)(f"Add it as {called}?"):
        print("Nothing was added.")
        return None
    replace_own(new, [target.with_suffix(suffix) for suffix in (".safetensors", ".json")])
    print(f"Added: {target}. Next: {_reproduce(called, shared)}")
    if pack is not None and WEIGHTS in pack.sizes:
        print(
            f"Its encoder: {target.with_suffix('.safetensors')} (sslkit export, evaluate and embed "
            f"take {called})."
        )
    return target


def read_sent(file: Path, *, trust: Sequence[str] = ()) -> tuple[Pack | None, SharedRecipe]:
    """Read what somebody sent: a pack, or a recipe as YAML.

    Args:
        file: Of either kind.
        trust: Modules that it may name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is neither, or asks for what is never allowed; names the member or line.
    """
    if file.suffix in (".yaml", ".yml"):
        if not file.is_file():
            raise FileNotFoundError(f"there is no recipe {file}.")
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        return None, read_shared(content, str(file), alone=False, trust=trust)
    if file.suffix != PACK:
        raise ValueError(f"{file} is neither a pack ({PACK}) nor a recipe (.yaml).")
    pack = read_pack(file)
    where = f"{file}: {RECIPE}"
    shared = read_shared(pack.members[RECIPE], where, alone=True, trust=trust)
    if (WEIGHTS in pack.sizes) != (ENCODER in pack.sizes):
        raise ValueError(f"{file} has one of {WEIGHTS} and {ENCODER} without the other.")
    pack.tensors()
    for member in (ENVIRONMENT, EVALUATION, COSTS, ENCODER):
        pack.record(member)
    return pack, shared


def _there(called: str) -> dict[str, Any] | None:
    """The config of this name, whatever its capitals: not every file system tells them apart."""
    for name in user_recipes():
        if name.lower() != called.lower():
            continue
        if name != called:
            raise ValueError(
                f"{name} is there, and {called} differs in capitals only: give --name."
            )
        try:
            return merged_config(user_recipe(name))
        except (ValueError, OSError):  # it cannot be compared, but replaced
            return {}
    return None


def _files(target: Path, shared: SharedRecipe, pack: Pack | None) -> list[tuple[Path, Write]]:
    """What is to be written where, the recipe last."""
    files: list[tuple[Path, Write]] = []
    if pack is not None and WEIGHTS in pack.sizes:
        encoder = pack.members[ENCODER]
        files.append((target.with_suffix(".safetensors"), pack.copy_weights))
        files.append((target.with_suffix(".json"), lambda file: file.write_bytes(encoder)))
    return [*files, (target, lambda file: file.write_bytes(shared.text.encode("utf-8")))]


def _reproduce(called: str, shared: SharedRecipe) -> str:
    """The command that runs it."""
    data = shared.config.get("data")
    has_images = isinstance(data, dict) and data.get("source") is not None
    command = ["sslkit", "reproduce", called, *([] if has_images else ["--data", "FOLDER"])]
    return shlex.join([*command, *(part for m in shared.modules for part in ("--trust", m))])


def _ask(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ValueError(
            "recipe add asks before it adds, and nobody is there to answer: see --yes."
        )
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _size(file: Path) -> str:
    return f"{file.stat().st_size:,} bytes"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
