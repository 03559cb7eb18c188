"""``sslkit recipe check``: everything a fit would refuse, without data and without training."""

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jsonargparse import Namespace
from lightning_fabric.utilities.exceptions import MisconfigurationException

from sslkit.configs.extends import lineage
from sslkit.configs.finding import find_recipe
from sslkit.configs.values import read_nodes, repeated_keys
from sslkit.counted import counted
from sslkit.fit import build
from sslkit.plain_yaml import key_line
from sslkit.printable import printable
from sslkit.recipe.reading import NO_DATA, Reading, RecipeReader, quiet
from sslkit.recipe.remarks import model_remarks, run_remarks
from sslkit.recipe.sanity import card_faults, model_faults, run_faults
from sslkit.recipe.scale import scale_of

# What is wrong with an input, in the words of whoever found it.
_WRONG = (ValueError, TypeError, RuntimeError, OSError, MisconfigurationException)
# In place of that of a checkpoint which is not given.
_SOME_ENCODER = {"class_path": "sslkit.nn.Encoder", "init_args": {"name": "resnet50"}}
# The machine that trains may be another one; no logger is told, and nothing is written.
_HERE = {
    "accelerator": "cpu",
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "sync_batchnorm": False,
    "logger": False,
    "profiler": None,
    "plugins": None,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def check_recipes(recipes: Sequence[str], *, trust: Sequence[str] = ()) -> int:
    """Check all of them and print what is wrong, a paragraph for each fault.

    Args:
        recipes: Files, folders (every ``.yaml`` below), and names of shipped recipes.
        trust: Modules that they may name too.

    Returns:
        The exit code: 1 if there is a fault.

    Raises:
        FileNotFoundError: If a folder has no recipe.
    """
    reader = RecipeReader(trust=trust)
    names = list(_names(recipes))
    faulty = 0
    for name in names:
        found = check_recipe(reader, name)
        faulty += bool(found.faults)
        print(f"{name}: {_verdict(found)}", flush=True)
        for fault in found.faults:
            _print("  - ", fault)
        for remark in found.remarks:
            _print("  ? ", remark)
    if len(names) > 1:
        print(f"{counted(len(names), 'recipe')}, {faulty or 'none'} with faults.")
    return int(faulty > 0)


@dataclass(frozen=True)
class Findings:
    """What was found in a recipe, a paragraph for each.

    Attributes:
        faults: What is wrong with it.
        remarks: What is unusual and works.
    """

    faults: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def check_recipe(reader: RecipeReader, name_or_path: str) -> Findings:
    """What is wrong with a recipe, and what is unusual.

    A file that cannot be read has one fault, as nothing more can be said of it.

    Args:
        reader: The parser, and what it trusts.
        name_or_path: A file, or the name of a shipped recipe.
    """
    try:
        repeated = list(_repeated(name_or_path))
        reading = reader.read(name_or_path)
    except _WRONG as error:
        return Findings((str(error),))
    faults = [*repeated, *_of_the_card(reading)]
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            parts = build_parts(reader, reading)
        scale = scale_of(reading.config, reading.card)
    except _WRONG as error:
        return Findings((*faults, str(error)))
    model = parts["model"]
    faults += [*run_faults(reading.config, scale), *model_faults(model, scale)]
    if faults:  # first things first
        return Findings(tuple(faults))
    return Findings((), (*run_remarks(reading.config, scale), *model_remarks(model, scale)))


def _of_the_card(reading: Reading) -> Iterator[str]:
    for key, fault in card_faults(reading.card, reading.config):
        line = key and key_line(reading.path.read_text(encoding="utf-8"), ("recipe", key))
        yield f"{reading.path}, line {line}: recipe.{key} {fault}" if line else fault


def build_parts(reader: RecipeReader, reading: Reading) -> Any:
    """All that a config describes except its data: sizes without numbers, so that it is quick."""
    config = reading.parsed.clone()
    config["data.source"] = NO_DATA
    config["data.val_source"] = config["data.test_source"] = None
    if reading.wants_checkpoint:
        config["model.init_args.encoder"] = Namespace(_SOME_ENCODER)
    # Some loggers write or connect when they are built.
    config["trainer.logger"] = False
    with torch.device("meta"):
        parts = build(reader.parser, config)
    settings = dict(vars(parts["trainer"])) | _HERE
    pl.Trainer(**settings)
    return parts


def _repeated(name_or_path: str) -> Iterator[str]:
    for file in lineage(find_recipe(name_or_path)):
        for key in repeated_keys(read_nodes(file)):
            yield (
                f"{file}, line {key.line}: {'.'.join(key.keys)} stands there twice, and only the "
                "last one would count. Remove one."
            )


def _names(recipes: Sequence[str]) -> Iterator[str]:
    for recipe in recipes:
        folder = Path(recipe).expanduser()
        if not folder.is_dir():
            yield recipe
            continue
        files = sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml"))
        if not files:
            raise FileNotFoundError(f"there is no .yaml file in the folder {folder}.")
        yield from map(str, files)


def _verdict(found: Findings) -> str:
    if found.faults:
        return counted(len(found.faults), "fault")
    return f"fine, {len(found.remarks)} unusual" if found.remarks else "fine"


def _print(mark: str, paragraph: str) -> None:
    text = textwrap.fill(
        printable(" ".join(paragraph.split())),
        width=96,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
    print(text)
