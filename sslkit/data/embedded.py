"""The quickstart set: 6,000 real images in the package, so that a first run needs no download.

A part of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747), Copyright 2017 Zalando
SE, MIT licence; the notice lies beside the file.
"""

import io
from importlib import resources

import numpy as np

from sslkit.data.arrays import ImageArrays

_CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]


def quickstart_splits() -> dict[str, ImageArrays]:
    """The quickstart set.

    Returns:
        ``train`` (5,000) and ``test`` (1,000): 28 x 28 greyscale, 10 classes.
    """
    file = resources.files("sslkit.data") / "embedded" / "fashion_mini.npz"
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as content:
        arrays = dict(content)
    return {split: ImageArrays(arrays, split, classes=_CLASSES) for split in ("train", "test")}
