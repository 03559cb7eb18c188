"""``sslkit evaluate``: from a checkpoint and labelled images to a table with its protocol."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser
from pytorch_lightning.utilities import rank_zero_info
from rich.console import Console

from sslkit.allowlist import check_file, install_allowlist, trust_module
from sslkit.arguments import Parser
from sslkit.data import ImageDataModule
from sslkit.evaluation import Report, evaluate_with_baseline
from sslkit.nn import Encoder, load_encoder
from sslkit.parse_errors import readable
from sslkit.run_folder import run_of


def evaluate(arguments: Sequence[str]) -> int:
    """Score a checkpoint.

    Args:
        arguments: What follows ``sslkit evaluate``: a checkpoint or a run's folder, and options.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the data has no labels or does not fit.
    """
    options = _parser().parse_args(arguments)
    checkpoint = find_checkpoint(Path(options.checkpoint))
    encoder = load_encoder(checkpoint)
    for module in options.trust:
        trust_module(module)
    install_allowlist(options.trust)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    report = score(
        encoder,
        _open_data(options, run_of(checkpoint), encoder),
        name=str(checkpoint),
        seed=options.seed,
        device=device,
        limits=(options.train_images, options.test_images),
    )
    _show(report, Path(options.out) if options.out else run_of(checkpoint))
    return 0


def score_run(trainer: pl.Trainer, data: ImageDataModule) -> None:
    """Score the last checkpoint of a fit and write the table into its folder, if there are labels.

    Args:
        trainer: After ``fit``.
        data: What it was fitted on.
    """
    if not data.labelled or "test" not in data.splits():
        why = "there is no test split" if data.labelled else "the training images have no labels"
        rank_zero_info(f"The evaluation is left out: {why}.")
        return
    written = getattr(trainer.checkpoint_callback, "best_model_path", "")
    if not written:
        rank_zero_info("The evaluation is left out: this run wrote no checkpoint.")
        return
    checkpoint = Path(written)
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
) -> Report:
    """Run the protocol on an encoder's features of the training and test splits.

    Args:
        encoder: The encoder.
        data: Labelled images with a train and a test split.
        name: What the report calls the checkpoint.
        seed: Of the held-out part and of the random encoder.
        device: Where features are extracted.
        limits: At most so many training and test images; None takes all.

    Raises:
        ValueError: If a split or its labels are missing.
    """
    data.setup("test")
    train = data.eval_dataloader("train", limits[0])
    test = data.eval_dataloader("test", limits[1])
    scores = evaluate_with_baseline(encoder, train, test, seed=seed, device=device)
    return Report(checkpoint=name, data={"data": data.description}, scores=scores, seed=seed)


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


def _parser() -> Parser:
    parser = Parser(
        prog="sslkit evaluate",
        description="Score a checkpoint's frozen features: kNN and a linear probe, beside a random "
        "initialisation.",
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", help="a checkpoint, or the folder of a run")
    parser.add_argument(
        "--data",
        help="labelled images: a folder with train/ and test/, a .npz, `quickstart`, or a YAML "
        "file with a data: section (default: what the run was trained on)",
    )
    parser.add_argument("--train_images", type=int, help="use so many of the training images")
    parser.add_argument("--test_images", type=int, help="use so many of the test images")
    parser.add_argument("--batch_size", type=int, default=256, help="images at once (256)")
    parser.add_argument("--seed", type=int, default=0, help="of the probe and the random row (0)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: cuda where there is one)")
    parser.add_argument("--out", help="folder to write to (default: the run's)")
    parser.add_argument("--trust", action="append", default=[], help="a module the data may name")
    return parser


def _open_data(options: argparse.Namespace, run: Path, encoder: Encoder) -> ImageDataModule:
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
    check_file(config, trust=options.trust)
    section = (yaml.safe_load(config.read_text()) or {}).get("data")
    if not isinstance(section, dict):
        raise ValueError(f"data: {config} has no data: section.")
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
