"""Frozen features of a data set, extracted once and then probed as often as one likes.

N images in the set, B in a batch, F feature width.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslkit.data import Batch, as_batch
from sslkit.evaluation.raw_pixels import RawPixels
from sslkit.nn import Encoder, LayeredEncoder

# What turns images into features.
Extractor = Encoder | LayeredEncoder | RawPixels
NOTHING = (
    "there are no features of a loader without a single batch: check that its split holds images "
    "and that drop_last is off."
)


@dataclass(frozen=True)
class Features:
    """What the probes read, on the CPU.

    Attributes:
        features: ``(N, F)`` float32.
        labels: ``(N,)`` int64, −1 = unlabelled; or ``(N, K)`` bool, several classes an image.
        index: ``(N,)`` int64, the position of each image in its data set, −1 = unknown; or None.
    """

    features: Tensor
    labels: Tensor
    index: Tensor | None = None


def extract_features(
    encoder: Extractor, loader: Iterable[Any], *, device: torch.device | str = "cpu"
) -> Features:
    """Encode every image of a loader once, in eval mode, in the order of the loader.

    Args:
        encoder: Moved to ``device`` and left there; every module's training flag is put back.
        loader: Yields `sslkit.data.Batch`, or uint8 images with or without labels.
        device: Where the encoder runs.

    Returns:
        The features, labels and positions of all images.

    Raises:
        TypeError: If the loader yields ready-made views instead of images.
        ValueError: If the loader yields nothing.
    """
    with frozen(encoder, device):
        parts = [encode(encoder, item, device) for item in loader]
    if not parts:
        raise ValueError(NOTHING)
    # Joined outside inference mode, so that a caller may train on the result.
    return Features(*(torch.cat(column) for column in zip(*parts, strict=True)))


@contextmanager
def frozen(encoder: Extractor, device: torch.device | str) -> Iterator[None]:
    """Hold an encoder in eval mode on a device; every module's training flag is put back after."""
    training = {module: module.training for module in encoder.modules()}
    encoder.to(device).eval()
    try:
        yield
    finally:
        for module, flag in training.items():
            module.training = flag


@torch.inference_mode()
def encode(
    encoder: Extractor, item: Any, device: torch.device | str
) -> tuple[Tensor, Tensor, Tensor]:
    """Features ``(B, F)`` float32, labels and positions of a batch, on the CPU.

    Args:
        encoder: On the device, `frozen`.
        item: What a loader yields.
        device: Where the encoder is.

    Raises:
        TypeError: If the batch is one of ready-made views instead of images.
    """
    batch = as_batch(item)
    if not isinstance(batch, Batch):
        raise TypeError(
            "features are taken of uint8 images (B, C, H, W), and the loader yields "
            f"{len(batch.views)} ready-made views: give it a loader of plain images."
        )
    with torch.autocast(torch.device(device).type, enabled=False):
        images = encoder.preprocess(batch.image.to(device, non_blocking=True))
        return encoder(images).float().cpu(), batch.label.cpu(), batch.index.cpu()
