"""SimCLR on real CIFAR-10 with a small ResNet: sslkit against lightly, quality and speed.

    python benchmarks/simclr_cifar10.py train --library sslkit --precision bf16-mixed --images NPZ
    python benchmarks/simclr_cifar10.py speed --images NPZ
    python benchmarks/results.py

NPZ holds x_train (50000,32,32,3) uint8, y_train, x_test, y_test. `train` runs 10 epochs over the
first 10,240 training images and scores the encoder; `speed` interleaves short runs of both
libraries in one process. Both write records, from which results.py makes RESULTS.md.

Setting: batch 256, temperature 0.2, jitter strength 0.5, no blur, SGD 0.24 with momentum 0.9 and
weight decay 5e-4, 1 epoch of warm-up, then cosine. Needs the extra `benchmarks`.
"""

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import lightly_simclr
import numpy as np
import pytorch_lightning as pl
import records
import torch

from sslkit.data import ImageDataModule
from sslkit.evaluation import Report, evaluate_with_baseline
from sslkit.methods import SimCLR
from sslkit.nn import Encoder
from sslkit.optim import WarmupCosine
from sslkit.views import SimCLRViews

IMAGES, BATCH, EPOCHS, LR = 10_240, 256, 10, 0.24
LABELLED, QUERIES = 10_000, 5_000
WORKERS = 2
SMALL = {"layers": [1, 1, 1, 1], "channels": [32, 64, 128, 256]}


def build(library: str, npz: Path, *, channels_last: bool) -> tuple[pl.LightningModule, Any]:
    """A module and its data, of either library."""
    steps_per_epoch = IMAGES // BATCH
    if library == "lightly":
        arrays = np.load(npz)
        module = lightly_simclr.LightlySimCLR(
            lightly_simclr.backbone(), steps=EPOCHS * steps_per_epoch, warmup=steps_per_epoch, lr=LR
        )
        images, labels = arrays["x_train"][:IMAGES], arrays["y_train"][:IMAGES]
        return module, lightly_simclr.loader(images, labels, batch_size=BATCH, workers=WORKERS)
    encoder = Encoder(
        "resnet18", small_images=True, channels_last=channels_last, options=dict(SMALL)
    )
    module = SimCLR(
        encoder=encoder,
        views=SimCLRViews(size=32, strength=0.5, blur=False),
        temperature=0.2,
        optimizer=lambda groups: torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4),
        base_lr=LR,
        lr_scaling="linear",
        schedule=WarmupCosine(warmup_epochs=1),
    )
    return module, ImageDataModule(str(npz), batch_size=BATCH, limit=IMAGES)


class StepTimes(pl.Callback):
    """When each training batch ended."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.ends: list[float] = []

    def on_train_batch_end(self, *args: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def trainer(precision: str, **changes: Any) -> pl.Trainer:
    """The same plain trainer for both libraries."""
    return pl.Trainer(
        accelerator="cpu",
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        **changes,
    )


def train(arguments: argparse.Namespace) -> None:
    """Ten epochs, then the evaluation protocol on real labels."""
    pl.seed_everything(arguments.seed)
    module, data = build(arguments.library, arguments.images, channels_last=True)
    trainer(arguments.precision, max_epochs=EPOCHS).fit(module, data)
    encoder = _as_encoder(module)
    labelled = ImageDataModule(str(arguments.images), batch_size=500)
    labelled.setup("test")
    scores = evaluate_with_baseline(
        encoder,
        labelled.eval_dataloader("train", limit=LABELLED),
        labelled.eval_dataloader("test", limit=QUERIES),
        seed=0,
    )
    report = Report(checkpoint=arguments.library, data={}, scores=scores, seed=0)
    records.write(
        f"simclr_cifar10.{arguments.library}.{arguments.precision}.seed{arguments.seed}",
        {
            "library": arguments.library,
            "precision": arguments.precision,
            "seed": arguments.seed,
            "epochs": EPOCHS,
            "evaluation": report.to_dict(),
        },
    )


def _as_encoder(module: pl.LightningModule) -> Encoder:
    if isinstance(module, SimCLR):
        return module.encoder
    encoder = Encoder("resnet18", small_images=True, image_size=32, options=dict(SMALL))
    encoder.backbone.load_state_dict(module.backbone.state_dict())
    # What lightly's transform normalises with by default.
    encoder.set_statistics([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return encoder


def speed(arguments: argparse.Namespace) -> None:
    """Short runs of every setting in turn, several rounds; images/s and paired ratios."""
    settings = [
        ("lightly", "32-true", False),
        ("sslkit", "32-true", False),
        ("sslkit", "32-true", True),
        ("lightly", "bf16-mixed", False),
        ("sslkit", "bf16-mixed", False),
        ("sslkit", "bf16-mixed", True),
    ]
    rates: dict[str, list[float]] = {_label(*setting): [] for setting in settings}
    for round_ in range(arguments.rounds):
        for library, precision, channels_last in settings:
            module, data = build(library, arguments.images, channels_last=channels_last)
            clock = StepTimes()
            steps = arguments.skip + arguments.steps
            trainer(precision, max_steps=steps, callbacks=[clock]).fit(module, data)
            seconds = clock.ends[-1] - clock.ends[arguments.skip - 1]
            label = _label(library, precision, channels_last)
            rates[label].append(BATCH * arguments.steps / seconds)
            print(f"round {round_} {label}: {rates[label][-1]:.0f} images/s", flush=True)
    records.write("simclr_cifar10.speed", {"workers_of_lightly": WORKERS, "rates": rates})
    best = max((n for n in rates if n.startswith("sslkit")), key=lambda n: _median(rates[n]))
    for name, other in rates.items():
        if name.startswith("lightly"):
            paired = [a / b for a, b in zip(rates[best], other, strict=True)]
            print(
                f"{best} over {name}: {_median(paired):.2f} ({min(paired):.2f}-{max(paired):.2f})"
            )


def _label(library: str, precision: str, channels_last: bool) -> str:
    return f"{library}, {precision}" + (", channels-last" if channels_last else "")


_median = statistics.median


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(required=True)
    for function in (train, speed):
        action = actions.add_parser(function.__name__, help=function.__doc__)
        action.set_defaults(run=function)
        action.add_argument("--images", type=Path, required=True)
        if function is train:
            action.add_argument("--library", choices=["sslkit", "lightly"], required=True)
            action.add_argument("--precision", choices=["32-true", "bf16-mixed"], required=True)
            action.add_argument("--seed", type=int, default=0)
        else:
            action.add_argument("--rounds", type=int, default=5)
            action.add_argument("--steps", type=int, default=8)
            action.add_argument("--skip", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    arguments.run(arguments)


if __name__ == "__main__":
    main()
