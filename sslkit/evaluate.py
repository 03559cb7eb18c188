"""``sslkit evaluate``: from a checkpoint and labelled images to a table with its protocol."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentError, ArgumentParser
from pytorch_lightning.utilities import rank_zero_info
from rich.console import Console

from sslkit.best_checkpoint import best_checkpoints
from sslkit.configs.allowlist import check_imports
from sslkit.configs.extends import merged_config
from sslkit.configs.parse_errors import readable
from sslkit.data import ImageDataModule
from sslkit.evaluation import Plan, Report
from sslkit.evaluation.plan import PLANS
from sslkit.evaluation.protocol_text import BEST
from sslkit.evaluation.scoring import evaluate_on, splits_to_score
from sslkit.nn import Encoder, load_encoder
from sslkit.origin import Origin, find_origin
from sslkit.run_evaluation import FILE
from sslkit.run_folder import LastCheckpoint, run_of


def evaluate(options: argparse.Namespace) -> int:
    """Score a checkpoint.

    Args:
        options: Of `sslkit.evaluate_arguments.evaluate_parser`.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the data has no labels or does not fit, or an option is out of its range.
    """
    plan = _plan(options)
    origin = find_origin(options.checkpoint)
    encoder = load_encoder(origin.checkpoint)
    folder = Path(options.out) if options.out else _folder(options, origin)
    pictures = options.pictures or (folder / "pictures" if plan.details else None)
    found = evaluate_on(
        encoder,
        open_data(options, origin.config, encoder),
        name=str(origin.checkpoint),
        seed=options.seed,
        device=options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        limits=(options.train_images, options.test_images),
        plan=plan,
        best=_best(origin.checkpoint),
        cache=None if options.no_cache else options.cache or origin.folder / "features",
        keep=pictures is not None,
        real_labels=options.real_labels,
    )
    _show(found.report, folder)
    if pictures is not None:
        paths = found.draw(pictures)
        print(f"Pictures in {pictures}: {', '.join(path.name for path in paths)}.")
        if found.report.scores[0].metric != "top1":
            print("There is no confusion matrix, as the scored images have several classes.")
    return 0


def _folder(options: argparse.Namespace, origin: Origin) -> Path:
    """Where a report goes: to the run's own only what a run's own is, so that this stays.

    That is of its last checkpoint, its own data, all images, and not of what a classifier learned.
    """
    parts = [] if options.data is None else [Path(options.data).stem]
    own = not origin.in_run or origin.checkpoint.name == "last.ckpt"
    parts += [] if own else [origin.checkpoint.stem]
    parts += [] if options.real_labels is None else [Path(options.real_labels).stem]
    limits = {"train": options.train_images, "test": options.test_images}
    parts += [f"{limit}_{name}" for name, limit in limits.items() if limit is not None]
    if not parts and _is_of_a_classifier(origin.folder / FILE):
        parts = ["frozen_features"]
    return origin.folder / "-".join(["evaluation", *parts]) if parts else origin.folder


def _is_of_a_classifier(report: Path) -> bool:
    try:
        return "top1" in json.loads(report.read_text(encoding="utf-8"))["rows"][0]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def score_run(trainer: pl.Trainer, data: ImageDataModule) -> None:
    """Score the last checkpoint of a fit and write the table into its folder, if there are labels.

    Args:
        trainer: After ``fit``.
        data: What it was fitted on.
    """
    if not data.labelled or splits_to_score(data) is None:
        why = "there are no labelled images to score" if data.labelled else "there are no labels"
        rank_zero_info(f"The evaluation is left out: {why}.")
        return
    ours = [c for c in trainer.checkpoint_callbacks if isinstance(c, LastCheckpoint)]
    if not ours or not ours[0].best_model_path:
        rank_zero_info("The evaluation is left out: this run wrote no checkpoint.")
        return
    checkpoint = Path(ours[0].best_model_path)
    if checkpoint.is_absolute() and checkpoint.is_relative_to(Path.cwd()):
        checkpoint = checkpoint.relative_to(Path.cwd())
    # No cache: this rank is alone here, and gigabytes of features are for who asks for them.
    found = evaluate_on(
        load_encoder(checkpoint),
        data,
        name=str(checkpoint),
        seed=0,
        device=trainer.strategy.root_device,
        best=_best(checkpoint),
    )
    _show(found.report, run_of(checkpoint))


def score(encoder: Encoder, data: ImageDataModule, **settings: Any) -> Report:
    """Run the protocol on an encoder's features.

    Args:
        encoder: The encoder.
        data: Labelled images.
        **settings: As for `sslkit.evaluation.scoring.evaluate_on`.

    Raises:
        ValueError: If a split or its labels are missing.
    """
    return evaluate_on(encoder, data, **settings).report


def _plan(options: argparse.Namespace) -> Plan:
    """The protocol that the options name, with their changes."""
    names = ("seeds", "fractions", "shots", "layers")
    given = {name: getattr(options, name) for name in names}
    changes = {name: value for name, value in given.items() if value is not None}
    plan = PLANS[options.protocol]
    if changes.get("layers"):
        changes["sweep"] = True  # it is what chooses among layers
    if all(getattr(plan, name) == value for name, value in changes.items()):
        return plan
    return replace(plan, **changes, name=f"{plan.name} with changes")


def _best(checkpoint: Path) -> dict[str, Encoder]:
    """The encoders of a run's best checkpoints, beside its last one, under their rows' names."""
    if checkpoint.name != "last.ckpt":
        return {}
    return {
        f"{BEST} ({path.name}, by {monitor})": load_encoder(path)
        for monitor, path in best_checkpoints(checkpoint).items()
    }


def open_data(options: argparse.Namespace, own: Path, encoder: Encoder) -> ImageDataModule:
    """The images that a command is to read.

    Args:
        options: With ``data``, ``batch_size`` and ``trust`` as in the parsers of
            `sslkit.arguments`.
        own: The config that the encoder was trained by, whose data are read where ``data`` names
            none; it need not be there.
        encoder: Its channels and size are those of the images.

    Raises:
        FileNotFoundError: If there is no such data.
        ValueError: If the data section of a YAML file cannot be used.
    """
    given = options.data
    if given is not None and Path(given).suffix not in (".yaml", ".yml"):
        return ImageDataModule(
            given,
            batch_size=options.batch_size,
            channels=encoder.in_channels,
            image_size=encoder.image_size,
        )
    config = Path(given) if given is not None else own
    if not config.is_file():
        raise FileNotFoundError(
            f"data: there is no {config} that says what to evaluate on: give --data with a folder "
            "of labelled images that has train/ and test/, a .npz file, or `quickstart`."
        )
    section = merged_config(config).get("data")
    if not isinstance(section, dict):
        raise ValueError(f"data: {config} has no data: section.")
    if section.get("source") is None:
        raise ValueError(
            f"data: {config} leaves its images to you: give --data with a folder of labelled "
            "images that has train/ and test/, a .npz file, or `quickstart`."
        )
    check_imports(section, trust=options.trust, where=str(config), keys=("data",))
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_class_arguments(ImageDataModule, "data")
    try:
        parsed = parser.parse_object({"data": section | {"batch_size": options.batch_size}})
    except ArgumentError as error:
        raise readable(error, parser.get_defaults().keys()) from error
    try:
        return parser.instantiate(parsed)["data"]
    except (ValueError, TypeError, RuntimeError) as error:
        raise readable(error, (), parsed) from error


def _show(report: Report, folder: Path) -> None:
    json_file, text_file = report.write(folder)  # before anything is shown: it took long
    Console().print(report.table())
    print(f"Written to {json_file} and {text_file.name} beside it.")
