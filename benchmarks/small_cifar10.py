"""Every method on the same small CIFAR-10 budget, and lightly's same methods beside it.

    python benchmarks/small_cifar10.py sslkit byol --images NPZ [--seed 0] [--batch_size 256]
    python benchmarks/small_cifar10.py lightly byol --images NPZ [--seed 0] [--batch_size 256]
    python benchmarks/results.py

NPZ holds x_train (50000,32,32,3) uint8, y_train, x_test, y_test. For sslkit this is the command of
a recipe of ``recipes/small/``, with the images from NPZ in place of torchvision's download. lightly
(`benchmarks/lightly_methods.py`) has the same encoder, images, epochs, batch and optimiser, and its
encoder is scored by the same protocol. Each run writes a record, and beside it the scores that the
recipe records, if it does; results.py makes RESULTS.md. Needs the extra `benchmarks`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import lightly_methods
import pytorch_lightning as pl
import records
import score_curves

from sslkit.data import ImageDataModule
from sslkit.evaluate import score
from sslkit.nn import Encoder

IMAGES, EPOCHS = 10_240, 10
SMALL = {"layers": [1, 1, 1, 1], "channels": [32, 64, 128, 256]}


def fit(
    recipe: str, options: argparse.Namespace, *changes: str, record: str | None = None
) -> dict[str, Any]:
    """A recipe as a user runs it; returns its evaluation, and keeps the scores that it recorded."""
    command = [sys.executable, "-m", "sslkit", "fit", "--config", f"small/{recipe}"]
    command += ["--seed_everything", str(options.seed), *changes]
    command += ["--data.batch_size", str(options.batch_size)]
    command += ["--data.source", str(options.images.resolve()), "--data.test_source", "null"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, cwd=folder, check=True)
        (evaluation,) = Path(folder).glob("runs/**/evaluation.json")
        if record is not None:
            for scores in evaluation.parent.glob("scores.csv"):
                score_curves.keep(scores, record)
        return json.loads(evaluation.read_text())


def lightly(options: argparse.Namespace) -> dict[str, Any]:
    """A module of lightly's on the same budget; returns its encoder's evaluation."""
    pl.seed_everything(options.seed)
    module, loader = lightly_methods.build(
        options.method,
        options.images,
        images=IMAGES,
        epochs=EPOCHS,
        batch_size=options.batch_size,
        workers=options.workers,
    )
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        precision="bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, loader)
    encoder = Encoder("resnet18", small_images=True, image_size=32, options=dict(SMALL))
    encoder.backbone.load_state_dict(module.backbone.state_dict())
    # What lightly's transforms normalise with by default.
    encoder.set_statistics([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    data = ImageDataModule(str(options.images), batch_size=256, limit=IMAGES)
    name = f"lightly {options.method}"
    return score(encoder, data, name=name, seed=0, device="cpu").to_dict()


def add_options(parser: argparse.ArgumentParser) -> None:
    """What a run is made on."""
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2, help="of a loader that makes views")


def main() -> None:
    """Train, score, record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", choices=["sslkit", "lightly"])
    parser.add_argument("method", help="a recipe of small/; for lightly, one of its five")
    add_options(parser)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    start = time.perf_counter()
    name = f"{options.library}.{options.method}.batch{options.batch_size}.seed{options.seed}"
    name = f"small_cifar10.{name}"
    if options.library == "sslkit":
        evaluation = fit(options.method, options, record=name)
    else:
        evaluation = lightly(options)
    evaluation["data"]["data"] = options.images.name  # where it lies is of no interest
    asked = {key: getattr(options, key) for key in ("library", "method", "seed", "batch_size")}
    # Seconds include the evaluation; they compare nothing where other work ran beside.
    record = asked | {"seconds": time.perf_counter() - start, "evaluation": evaluation}
    records.write(name, record)


if __name__ == "__main__":
    main()
