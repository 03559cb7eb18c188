"""What SimCLR learns from views of three kinds: sslkit's exact and fast, and torchvision's.

    python benchmarks/view_quality.py fast --images NPZ [--seed 0]
    python benchmarks/view_quality.py torchvision --images NPZ [--seed 0] [--workers 2]
    python benchmarks/results.py

The recipe ``small/simclr`` makes exact views; its runs are those of small_cifar10.py. ``fast`` is
that recipe with ``colour: fast``. ``torchvision`` is its model on views that torchvision's v2
transforms make sample by sample in a loader's workers. NPZ as for small_cifar10.py. Each run writes
the record `view_quality.<kind>.seed<seed>.json`.
"""

import argparse
import time
import warnings
from typing import Any

import lightly_methods
import numpy as np
import pytorch_lightning as pl
import records
import small_cifar10
import torch
from small_recipes import models
from torchvision.transforms import v2

from sslkit.data import ImageDataModule
from sslkit.evaluate import score
from sslkit.methods import SimCLR
from sslkit.nn import Encoder
from sslkit.optim import WarmupCosine


def simclr() -> SimCLR:
    """The model of ``small/simclr``."""
    settings = dict(models()["simclr"]["init_args"])
    encoder, optimizer, schedule = (
        settings.pop(part)["init_args"] for part in ("encoder", "optimizer", "schedule")
    )
    settings.pop("views")  # they come ready-made
    return SimCLR(
        encoder=Encoder(**encoder, image_size=32),
        optimizer=lambda groups: torch.optim.SGD(groups, **optimizer),
        schedule=WarmupCosine(**schedule),
        **settings,
    )


def two_views(mean: list[float], std: list[float]) -> v2.Transform:
    """From a PIL image to two views as `SimCLRViews` draws them at strength 0.5, without blur."""
    view = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(32, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
    return v2.Lambda(lambda image: [view(image), view(image)])


def per_sample(options: argparse.Namespace) -> dict[str, Any]:
    """Train on torchvision's views; returns the evaluation."""
    pl.seed_everything(options.seed)
    data = ImageDataModule(str(options.images), batch_size=256, limit=small_cifar10.IMAGES)
    data.setup()
    arrays = np.load(options.images)
    loader = lightly_methods.loader(
        arrays["x_train"][: small_cifar10.IMAGES],
        arrays["y_train"][: small_cifar10.IMAGES],
        two_views(data.mean, data.std),
        batch_size=256,
        workers=options.workers,
    )
    model = simclr()
    trainer = pl.Trainer(
        max_epochs=small_cifar10.EPOCHS,
        accelerator="cpu",
        precision="bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(model, loader)
    model.encoder.set_statistics(data.mean, data.std)
    name = "small/simclr on torchvision's views"
    return score(model.encoder, data, name=name, seed=0, device="cpu").to_dict()


def main() -> None:
    """Train, score, record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["fast", "torchvision"])
    small_cifar10.add_options(parser)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    start = time.perf_counter()
    if options.kind == "fast":
        evaluation = small_cifar10.fit("simclr", options, "--model.views.colour", "fast")
    else:
        evaluation = per_sample(options)
    evaluation["data"]["data"] = options.images.name
    record = {"kind": options.kind, "seed": options.seed, "batch_size": options.batch_size}
    record |= {"seconds": time.perf_counter() - start, "evaluation": evaluation}
    records.write(f"view_quality.{options.kind}.seed{options.seed}", record)


if __name__ == "__main__":
    main()
