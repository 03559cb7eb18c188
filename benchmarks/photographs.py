"""Folders of real photographs: crops and rescalings of the two that scikit-learn ships."""

import math
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor


def write_folder(folder: Path, count: int, *, shorter: tuple[int, int], seed: int = 0) -> Path:
    """JPEG files (quality 90) of many sizes and shapes, in one subfolder for each photograph.

    Args:
        folder: Where to.
        count: How many files.
        shorter: Range of the shorter side, in pixels.
        seed: Of the crops.
    """
    rng = np.random.default_rng(seed)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        image = photograph.crop(_box(photograph.size, rng))
        factor = rng.uniform(*shorter) / min(image.size)
        size = [round(side * factor) for side in image.size]
        path = folder / f"photograph{number % len(photographs)}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.resize(size, Image.Resampling.LANCZOS).save(path, quality=90)
    return folder


def write_shards(images: Path, folder: Path, shards: int) -> str:
    """The same images as tar shards, with labels; returns their pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(images.rglob("*.jpg"), key=lambda path: path.name)
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:03}.tar", "w") as tar:
            for path in files[shard::shards]:
                label = folder / "label"
                label.write_text(path.parent.name[-1])
                tar.add(path, path.name)
                tar.add(label, f"{path.stem}.cls")
                label.unlink()
    return f"{folder}/{{000..{shards - 1:03}}}.tar"


def squares(count: int, side: int, *, seed: int = 0) -> Tensor:
    """Squares of the photographs, large and small, scaled to (count, 3, side, side) uint8."""
    rng = np.random.default_rng(seed)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    found = np.empty((count, side, side, 3), np.uint8)
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        width = int(rng.integers(min(side, min(photograph.size)), min(photograph.size) + 1))
        left, top = (int(rng.integers(extent - width + 1)) for extent in photograph.size)
        box = (left, top, left + width, top + width)
        found[number] = photograph.resize((side, side), Image.Resampling.LANCZOS, box)
    return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous()


def _box(size: Sequence[int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A box of 30 to 100 % of the image, no flatter than 16 to 10."""
    while True:
        area = rng.uniform(0.3, 1) * math.prod(size)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(16 / 10)))
        width, height = int(math.sqrt(area * ratio)), int(math.sqrt(area / ratio))
        if width <= size[0] and height <= size[1]:
            left = int(rng.integers(size[0] - width + 1))
            top = int(rng.integers(size[1] - height + 1))
            return left, top, left + width, top + height
