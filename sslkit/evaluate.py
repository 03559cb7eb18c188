"""``sslkit evaluate``: from a checkpoint and labelled images to a table with its protocol."""

import argparse
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentError, ArgumentParser
from pytorch_lightning.utilities import rank_zero_info
from rich.console import Console

from sslkit.configs.allowlist import check_imports
from sslkit.configs.extends import merged_config
from sslkit.configs.parse_errors import readable
from sslkit.data import ImageDataModule
from sslkit.evaluation import (
    Features,
    Report,
    Scores,
    evaluate_features,
    extract_features,
    with_baseline,
    write_pictures,
)
from sslkit.nn import Encoder, load_encoder
from sslkit.run_folder import LastCheckpoint, run_of

Fitted = Literal["train", "train_and_held_out"]
Scored = Literal["test", "val"]


def evaluate(options: argparse.Namespace) -> int:
    """Score a checkpoint.

    Args:
        options: Of `sslkit.arguments.evaluate_parser`.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the data has no labels or does not fit.
    """
    checkpoint = find_checkpoint(Path(options.checkpoint))
    encoder = load_encoder(checkpoint)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    report = score(
        encoder,
        open_data(options, run_of(checkpoint), encoder),
        name=str(checkpoint),
        seed=options.seed,
        device=device,
        limits=(options.train_images, options.test_images),
        pictures=None if options.pictures is None else Path(options.pictures),
    )
    folder = run_of(checkpoint)
    if options.data is not None:  # the run's own score stays
        folder = folder / f"evaluation-{Path(options.data).stem}"
    _show(report, Path(options.out) if options.out else folder)
    return 0


def score_run(trainer: pl.Trainer, data: ImageDataModule) -> None:
    """Score the last checkpoint of a fit and write the table into its folder, if there are labels.

    Args:
        trainer: After ``fit``.
        data: What it was fitted on.
    """
    if not data.labelled or _splits(data) is None:
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
    encoder = load_encoder(checkpoint)
    device = trainer.strategy.root_device
    report = score(encoder, data, name=str(checkpoint), seed=0, device=device)
    _show(report, run_of(checkpoint))


def score(
    encoder: Encoder,
    data: ImageDataModule,
    *,
    name: str,
    seed: int,
    device: torch.device | str,
    limits: tuple[int | None, int | None] = (None, None),
    pictures: Path | None = None,
) -> Report:
    """Run the protocol on an encoder's features.

    Scored are the test images; without any, those of a validation split of the data's own; without
    that, those that were held out of training. Fitted are all other labelled images.

    Args:
        encoder: The encoder.
        data: Labelled images.
        name: What the report calls the checkpoint.
        seed: Of the held-out part and of the random encoder.
        device: Where features are extracted.
        limits: At most so many images to fit and to score; None takes all.
        pictures: Folder for the pictures of `sslkit.evaluation.write_pictures`; None draws none.

    Raises:
        ValueError: If a split or its labels are missing.
    """
    data.setup("test")
    fitted, scored = _splits(data) or ("train", "test")  # for which the data says what is missing
    loaders = data.eval_dataloader(fitted, limits[0]), data.eval_dataloader(scored, limits[1])
    scores: list[Scores] = []
    kept: list[tuple[Features, Features]] = []
    for row, candidate in with_baseline(encoder, seed).items():
        train, test = (extract_features(candidate, loader, device=device) for loader in loaders)
        scores.append(evaluate_features(train, test, seed=seed, device=device, name=row))
        if pictures is not None:
            kept.append((train, test))
        del train, test  # there may be gigabytes of them
    if pictures is not None:
        (train, test), *others = kept
        paths = write_pictures(
            pictures,
            encoder,
            train=(loaders[0], train),
            test=(loaders[1], test),
            scores=scores[0],
            others={s.encoder: f[1] for s, f in zip(scores[1:], others, strict=True)},
            classes=data.classes,
            seed=seed,
            device=device,
        )
        print(f"Pictures in {pictures}: {', '.join(path.name for path in paths)}.")
    about = {"data": data.description}
    about |= {"at most train images": limits[0], "at most test images": limits[1]}
    return Report(checkpoint=name, data=about, scores=scores, seed=seed, split=scored)


def _splits(data: ImageDataModule) -> tuple[Fitted, Scored] | None:
    """What a probe is fitted on, and what is scored; None without labelled images to score."""
    scored = data.evaluation_split()
    if scored is not None:
        return "train_and_held_out", scored
    return ("train", "val") if data.labelled and "val" in data.splits() else None


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the last one of a run's folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    candidates = [path, path / "last.ckpt", path / "checkpoints" / "last.ckpt"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"there is no checkpoint at {path}: give the file (.../checkpoints/last.ckpt) or the run's "
        "folder (runs/quickstart/version_0)."
    )


def open_data(options: argparse.Namespace, run: Path, encoder: Encoder) -> ImageDataModule:
    """The images that a command is to read.

    Args:
        options: With ``data``, ``batch_size`` and ``trust`` as in the parsers of
            `sslkit.arguments`.
        run: The folder of the run, whose data are read where ``data`` names none.
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
    config = Path(given) if given is not None else run / "config.yaml"
    if not config.is_file():
        raise FileNotFoundError(
            f"data: there is no {config} that says what to evaluate on: give --data with a folder "
            "of labelled images that has train/ and test/, a .npz file, or `quickstart`."
        )
    section = merged_config(config).get("data")
    if not isinstance(section, dict):
        raise ValueError(f"data: {config} has no data: section.")
    check_imports(section, trust=options.trust, where=str(config), keys=("data",))
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_class_arguments(ImageDataModule, "data")
    try:
        parsed = parser.parse_object({"data": section | {"batch_size": options.batch_size}})
    except ArgumentError as error:
        raise readable(error, parser.get_defaults().keys()) from error
    return parser.instantiate(parsed)["data"]


def _show(report: Report, folder: Path) -> None:
    Console().print(report.table())
    json_file, text_file = report.write(folder)
    print(f"Written to {json_file} and {text_file.name} beside it.")
