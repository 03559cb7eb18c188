"""Frozen features of a run's own images, taken while it trains and without a trace in it.

N images.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng

from sslkit.data import ImageDataModule
from sslkit.evaluation.features import Extractor, Features, extract_features
from sslkit.nn import Encoder

Split = Literal["train", "val"]


def image_data(trainer: pl.Trainer, pl_module: pl.LightningModule, reader: str) -> ImageDataModule:
    """The data module of a run whose encoder can be shown un-augmented images.

    Args:
        trainer: Of the run.
        pl_module: Its ``encoder`` is read.
        reader: The callback that reads, for the messages.

    Raises:
        ValueError: If the module has no `sslkit.nn.Encoder`, or the images do not come from an
            `ImageDataModule`.
    """
    if not isinstance(getattr(pl_module, "encoder", None), Encoder):
        raise ValueError(
            f"{reader} shows un-augmented images to the module's `encoder`, which must be an "
            f"sslkit.nn.Encoder, and {type(pl_module).__name__} has none: give it one, or remove "
            "the callback."
        )
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageDataModule):
        raise ValueError(
            f"{reader} reads un-augmented images of the run's data, and there is no "
            "sslkit.data.ImageDataModule to give them: train with one, or remove the callback."
        )
    return data


@contextmanager
def aside() -> Iterator[None]:
    """For work beside the training: every random generator is put back after it.

    What is made here may be trained on, although Lightning validates in inference mode.
    """
    with isolate_rng(), torch.inference_mode(False), torch.enable_grad():
        yield


def image_features(
    data: ImageDataModule,
    pl_module: pl.LightningModule,
    split: Split,
    limit: int | None,
    *,
    through: Extractor | None = None,
) -> tuple[Any, Features]:
    """Features of un-augmented images by the encoder as it is now; training flags are put back.

    Args:
        data: Of the run.
        pl_module: Its ``encoder`` is read.
        split: ``train`` without what is held out of it; or ``val``. There is no way to the test
            images from here.
        limit: At most so many images, the same ones every time; None takes all.
        through: What gives the features; None: the encoder.

    Returns:
        A loader of the images, in order, and the features of N images on the CPU.
    """
    loader = data.eval_dataloader(split, limit)
    net: Any = pl_module.encoder if through is None else through
    return loader, extract_features(net, loader, device=pl_module.device)
