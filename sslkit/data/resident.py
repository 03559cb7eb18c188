"""A whole split in memory as one uint8 tensor, gathered by index in bulk.

N images in memory, n of them in this split, B in a batch.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.arrays import ImageArrays
from sslkit.data.batch import Batch
from sslkit.data.decode import ImageFormat, conform, to_uint8
from sslkit.data.errors import UnreadableImageError
from sslkit.data.fetched import Fetched
from sslkit.data.folder import ImageFolder
from sslkit.data.label_sets import joined, label_at
from sslkit.data.labels import LabelMap, one_label
from sslkit.data.source import fetch, item_name

_CHUNK = 1024


class ResidentImages(Dataset):
    """Images in memory.

    Attributes:
        images: ``(N, C, H, W)`` uint8, shared with all subsets.
        labels: ``(n,)`` int64, −1 = unlabelled; or ``(n, K)`` bool.
        rows: ``(n,)`` int64, where in ``images`` each image of this split lies; also its position
            in the source.

    Args:
        images: ``(N, C, H, W)`` uint8.
        labels: ``(N,)`` int64, or ``(N, K)`` bool.
        rows: ``(n,)`` int64.
    """

    def __init__(self, images: Tensor, labels: Tensor, rows: Tensor) -> None:
        self.images = images
        self.rows = rows
        self.labels = labels[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, positions: Sequence[int]) -> Fetched[Batch]:
        """B images at once, ``positions`` in 0 to n−1."""
        chosen = torch.as_tensor(positions, dtype=torch.int64)
        rows = self.rows[chosen]
        batch = Batch(self.images.index_select(0, rows), self.labels[chosen], rows)
        return Fetched(batch, [], None)

    def __getitem__(self, position: int) -> tuple[Tensor, int | Tensor]:
        """One image ``(C, H, W)`` uint8 and its class, or its set of classes ``(K,)`` bool."""
        return self.images[self.rows[position]], label_at(self.labels, position)

    def subset(self, positions: Tensor) -> "ResidentImages":
        """The images at ``positions (m,)`` int64, in that order, sharing the memory."""
        child = ResidentImages.__new__(ResidentImages)
        child.images, child.rows = self.images, self.rows[positions]
        child.labels = self.labels[positions]
        return child


def load_resident(
    source: Dataset,
    count: int,
    wanted: ImageFormat,
    label_map: LabelMap,
    on_bad_image: Literal["error", "skip"],
) -> ResidentImages:
    """Decode the first ``count`` images of a source, once.

    Args:
        source: Where they are.
        count: N.
        wanted: What they are brought to.
        label_map: From the source's labels to class indices.
        on_bad_image: ``error`` raises at the first unreadable image; ``skip`` leaves such images
            out and warns once, with their number and the first of them.

    Raises:
        UnreadableImageError: If an image is unreadable and may not be skipped, or none is readable.
        DataError: If images differ in a way that may not be converted, an item is of a wrong type,
            or a label is no class.
    """
    if isinstance(source, ImageArrays):
        images = _conform_all(source.tensor(count), wanted, source.name)
        return ResidentImages(images, label_map(source.labels[:count]), torch.arange(count))
    images = torch.empty((count, *wanted.shape), dtype=torch.uint8)
    labels: list[int | Tensor | None] = [None] * count

    def decode(position: int) -> str:
        """Fill one row; return why the image is unreadable, or nothing."""
        name = item_name(source, position)
        try:
            raw, label = fetch(source, position)
            size = wanted.height if wanted.resize else None
            images[position].copy_(conform(to_uint8(raw, name, image_size=size), wanted, name))
        except UnreadableImageError as error:
            if on_bad_image == "error":
                raise unreadable(str(error)) from error
            return str(error)
        labels[position] = one_label(label, name)
        return ""

    # A user's data set may hold one open file, or something else that threads must not share.
    threads = min(16, available_cpus()) if isinstance(source, ImageFolder) else 1
    problems = _map(decode, count, threads)
    bad = [problem for problem in problems if problem]
    if bad:
        if len(bad) == count:
            raise UnreadableImageError(
                f"None of the {count} images of the {label_map.split} split can be read; the first "
                f"problem: {bad[0]}"
            )
        rank_zero_warn(
            f"Left out {len(bad)} unreadable of {count} images of the {label_map.split} split "
            f"(on_bad_image: skip): {'; '.join(bad[:3])}{' ...' * (len(bad) > 3)}"
        )
    rows = torch.tensor([row for row, problem in enumerate(problems) if not problem])
    together = joined(labels, lambda position: item_name(source, position))
    return ResidentImages(images, label_map(together), rows)


def unreadable(message: str) -> UnreadableImageError:
    """The error that ends a run, with what to do about it."""
    return UnreadableImageError(
        f"{message.rstrip('.')}. Repair or remove it, or set `on_bad_image: skip` to leave such "
        "images out."
    )


def _map(decode: Callable[[int], str], count: int, threads: int) -> list[str]:
    """Decode in threads (Pillow releases the interpreter's lock); stop at the first error."""
    if threads == 1:
        return [decode(position) for position in range(count)]
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        return list(pool.map(decode, range(count)))
    finally:
        pool.shutdown(cancel_futures=True)


def available_cpus() -> int:
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _conform_all(images: Tensor, wanted: ImageFormat, name: str) -> Tensor:
    """Bring ``(N, C', H', W')`` to the format; resizing goes chunk by chunk."""
    if not wanted.resize or images.shape[-2:] == (wanted.height, wanted.width):
        return conform(images, wanted, f"Every image in {name}")
    chunks = [conform(chunk, wanted, f"Every image in {name}") for chunk in images.split(_CHUNK)]
    return torch.cat(chunks)
