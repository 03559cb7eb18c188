"""A trained encoder and labelled images for what learns from labels."""

from typing import Any

import numpy as np
import torch
from tiny import encoder

from sslkit.data import ImageArrays, ImageDataModule

CLASSES = 4


def settled(**changes: Any):
    """An encoder as a run leaves it: with statistics of data and of batches, in eval mode."""
    torch.manual_seed(3)
    trained = encoder(**({"image_size": 16} | changes))
    trained.set_statistics([0.4, 0.5, 0.6], [0.2, 0.3, 0.25])
    with torch.no_grad():
        trained(torch.rand(64, 3, 16, 16))
    return trained.eval()


def shades(count: int = 32, *, unlabelled: int = 0) -> ImageArrays:
    """Classes that differ in brightness."""
    label = np.arange(count) % CLASSES
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 12, (count, 16, 16, 3))
    label[:unlabelled] = -1
    shade = (np.arange(count) % CLASSES)[:, None, None, None]
    return ImageArrays({"x": (60 * shade + noise).astype(np.uint8), "y": label})


def data(**changes: Any) -> ImageDataModule:
    return ImageDataModule(shades(), val_source=shades(), **({"batch_size": 16} | changes))
