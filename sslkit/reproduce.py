"""``sslkit reproduce``: run a recipe and its evaluation, and compare with what its card says."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from sslkit.card import Card, load_card
from sslkit.configs.finding import PACK, find_recipe
from sslkit.finished_run import CONFIG, EVALUATION
from sslkit.recipe.adding import read_sent
from sslkit.recipe.pack_format import ENVIRONMENT, json_mapping
from sslkit.verdict import compared
from sslkit.whole_file import whole_file

FILE = "reproduce.json"
_PACKAGE = Path(__file__).resolve().parent


def reproduce(options: argparse.Namespace) -> int:
    """Run a recipe again and say whether its figures hold.

    Args:
        options: Of `sslkit.arguments.reproduce_options`.

    Returns:
        The exit code: that of the verdict, or the fit's if that failed.

    Raises:
        FileNotFoundError: If there is no such recipe or pack.
        ValueError: If it is no recipe, or the run left no evaluation.
    """
    recipe, promised = _recipe(options)
    card = load_card(recipe)
    if card is None:
        raise ValueError(f"{recipe} has no card (recipe:), so there is nothing to compare with.")
    out = Path(options.out) if options.out else Path("runs/reproduce") / card.name
    out.mkdir(parents=True, exist_ok=True)
    before = _evaluations(out)
    code = _fit(recipe, out, options)
    if code:
        print(
            f"The run ended with exit code {code}, so there is nothing to compare. Images of yours "
            "are given with --data, other options of fit after --, such as "
            "-- --model.checkpoint FILE."
        )
        return code
    evaluation = _new_evaluation(out, before)
    verdict = compared(
        card,
        json_mapping(evaluation.read_bytes(), str(evaluation)),
        recipe=options.recipe,
        run=str(evaluation.parent),
        there=promised,
        here=_environment(evaluation.parent / ENVIRONMENT),
        options=_given(options),
        changed=_changed(card, evaluation.parent / CONFIG),
    )
    Console().print(verdict.table())
    with whole_file(out / FILE) as unfinished:
        unfinished.write_text(json.dumps(verdict.to_dict(), indent=2) + "\n", encoding="utf-8")
    print(f"{verdict.sentence()} Written to {out / FILE}.")
    return verdict.code


def _recipe(options: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """The recipe's file, and the environment in which its figures were measured, if it is known."""
    path = Path(options.recipe).expanduser()
    if path.suffix != PACK:
        return find_recipe(options.recipe), {}
    pack, shared = read_sent(path, trust=options.trust)
    folder = Path(options.out) if options.out else Path("runs/reproduce") / shared.card.name
    recipe = folder / "recipe.yaml"
    with whole_file(recipe) as unfinished:
        unfinished.write_bytes(shared.text.encode("utf-8"))
    return recipe, {} if pack is None else pack.record(ENVIRONMENT)


def _fit(recipe: Path, out: Path, options: argparse.Namespace) -> int:
    """A process of its own: as whoever measured it did, and so that it can start others."""
    command = [sys.executable, "-m", "sslkit", "fit", "--config", str(recipe)]
    command += ["--evaluate", "true", "--wandb", "false", "--trainer.default_root_dir", str(out)]
    command += _given(options)
    for module in options.trust:
        command += ["--trust", module]
    # Without the working directory on the import path, where a stranger's torch.py may lie.
    safe = {} if _PACKAGE.parent == Path.cwd().resolve() else {"PYTHONSAFEPATH": "1"}
    return subprocess.run(command, env={**os.environ, **safe}, check=False).returncode


def _given(options: argparse.Namespace) -> list[str]:
    """What is not the recipe's own."""
    data = []
    if options.data is not None:
        # In place of all of the recipe's images, which may be a download.
        data = ["--data.source", options.data]
        data += ["--data.val_source", "null", "--data.test_source", "null"]
    return [*data, *options.options]


def _evaluations(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob(EVALUATION)}


def _new_evaluation(out: Path, before: dict[Path, int]) -> Path:
    now = _evaluations(out)
    new = [path for path, changed in now.items() if before.get(path) != changed]
    if len(new) != 1:
        raise ValueError(
            f"the run in {out} left {len(new) or 'no'} evaluations: it needs labelled images and "
            "a checkpoint, and the folder to itself. See what the run says above."
        )
    return new[0]


def _changed(card: Card, config: Path) -> list[str]:
    """Settings that the run's own card says were changed, and the recipe's does not."""
    ran = load_card(config) if config.is_file() else None
    return [] if ran is None else [key for key in ran.changed if key not in card.changed]


def _environment(file: Path) -> dict[str, Any]:
    return json_mapping(file.read_bytes(), str(file)) if file.is_file() else {}
