"""The speed of SimCLR's training steps on real CIFAR-10 with a small ResNet: sslkit and lightly.

    python benchmarks/simclr_speed.py --images NPZ [--rounds 5] [--steps 8] [--skip 2]
    python benchmarks/results.py

NPZ holds x_train (50000,32,32,3) uint8 and y_train, x_test, y_test. Short runs of both libraries
take turns in one process, in both precisions, and sslkit also in both memory formats. The record
has the images per second of each. Scores come from small_cifar10.py.

Setting: that of recipes/small/simclr.yaml, and lightly's of lightly_methods.py. Needs the extra
`benchmarks`.
"""

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import lightly_methods
import pytorch_lightning as pl
import records
import torch

from sslkit.data import ImageDataModule
from sslkit.methods import SimCLR
from sslkit.nn import Encoder
from sslkit.optim import WarmupCosine
from sslkit.views import SimCLRViews

IMAGES, BATCH, EPOCHS = 10_240, 256, 10
WORKERS = 2
SETTINGS = [
    ("lightly", "32-true", False),
    ("sslkit", "32-true", False),
    ("sslkit", "32-true", True),
    ("lightly", "bf16-mixed", False),
    ("sslkit", "bf16-mixed", False),
    ("sslkit", "bf16-mixed", True),
]


def build(library: str, npz: Path, *, channels_last: bool) -> tuple[pl.LightningModule, Any]:
    """A module and its data, of either library."""
    if library == "lightly":
        return lightly_methods.build(
            "simclr", npz, images=IMAGES, epochs=EPOCHS, batch_size=BATCH, workers=WORKERS
        )
    encoder = Encoder(
        "resnet18",
        small_images=True,
        channels_last=channels_last,
        options={"layers": [1, 1, 1, 1], "channels": [32, 64, 128, 256]},
    )
    module = SimCLR(
        encoder=encoder,
        views=SimCLRViews(size=32, strength=0.5, blur=False),
        temperature=0.2,
        optimizer=lambda groups: torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4),
        base_lr=0.24,
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


def rate(setting: tuple[str, str, bool], npz: Path, *, steps: int, skip: int) -> float:
    """Images per second over `steps` steps, after `skip` that are not counted."""
    library, precision, channels_last = setting
    module, data = build(library, npz, channels_last=channels_last)
    clock = StepTimes()
    trainer = pl.Trainer(
        accelerator="cpu",
        precision=precision,
        max_steps=skip + steps,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )
    trainer.fit(module, data)
    return BATCH * steps / (clock.ends[-1] - clock.ends[skip - 1])


def label(library: str, precision: str, channels_last: bool) -> str:
    """What the record calls a setting."""
    return f"{library}, {precision}" + (", channels-last" if channels_last else "")


def main() -> None:
    """Every setting in turn, for several rounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="timed, in each run")
    parser.add_argument("--skip", type=int, default=2, help="steps before these, at least 1")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    rates: dict[str, list[float]] = {label(*setting): [] for setting in SETTINGS}
    for round_ in range(options.rounds):
        for setting in SETTINGS:
            found = rate(setting, options.images, steps=options.steps, skip=options.skip)
            rates[label(*setting)].append(found)
            print(f"round {round_} {label(*setting)}: {found:.0f} images/s", flush=True)
    for name, values in rates.items():
        print(f"{name}: median {statistics.median(values):.0f} images/s")
    records.write("simclr_speed", {"workers_of_lightly": WORKERS, "rates": rates})


if __name__ == "__main__":
    main()
