"""Frozen features of a data set, extracted once and then probed as often as one likes.

N images in the set, B in a batch, F feature width.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslkit.data import Batch, as_batch
from sslkit.nn import Encoder


@dataclass(frozen=True)
class Features:
    """What the probes read, on the CPU.

    Attributes:
        features: ``(N, F)`` float32.
        labels: ``(N,)`` int64, −1 = unlabelled; or ``(N, K)`` bool, several classes an image.
    """

    features: Tensor
    labels: Tensor


def extract_features(
    encoder: Encoder, loader: Iterable[Any], *, device: torch.device | str = "cpu"
) -> Features:
    """Encode every image of a loader once, in eval mode, in the order of the loader.

    Args:
        encoder: Moved to ``device`` and left there; every module's training flag is put back.
        loader: Yields `sslkit.data.Batch`, or uint8 images with or without labels.
        device: Where the encoder runs.

    Returns:
        The features and labels of all images.

    Raises:
        TypeError: If the loader yields ready-made views instead of images.
        ValueError: If the loader yields nothing.
    """
    training = {module: module.training for module in encoder.modules()}
    parts: list[tuple[Tensor, Tensor]] = []
    encoder.to(device).eval()
    try:
        with torch.inference_mode():
            for item in loader:
                batch = as_batch(item)
                if not isinstance(batch, Batch):
                    raise TypeError(
                        "extract_features() takes uint8 images (B, C, H, W) and the loader yields "
                        f"{len(batch.views)} ready-made views: give it a loader of plain images."
                    )
                images = encoder.preprocess(batch.image.to(device, non_blocking=True))
                parts.append((encoder(images).float().cpu(), batch.label.cpu()))
    finally:
        for module, flag in training.items():
            module.training = flag
    if not parts:
        raise ValueError(
            "extract_features() got a loader without a single batch: check that its split holds "
            "images and that drop_last is off."
        )
    # Joined outside inference mode, so that a caller may train on the result.
    return Features(*(torch.cat(column) for column in zip(*parts, strict=True)))
