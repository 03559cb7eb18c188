"""What tells the images of a loader from all others, so that results about them can be kept.

n images in the loader.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, SequentialSampler

from sslkit.data.batch import Batch, as_batch
from sslkit.data.folder import ImageFolder
from sslkit.data.library import Images
from sslkit.data.loader import ImageLoader
from sslkit.data.resident import ResidentImages
from sslkit.data.shards import TarShards
from sslkit.data.stream import StreamedImages
from sslkit.seeding import counter_generator

# Raised whenever what a fingerprint covers changes, or images are decoded or resized otherwise.
_FORMAT = 1
_CHUNK = 1024
# The images of a streamed split that are read: how many, and the stream of their draw.
_SAMPLE_SIZE = 512
_SAMPLE = 104711


class _Hash(Protocol):
    def update(self, data: Any, /) -> None: ...


def fingerprint(loader: Iterable[Any]) -> str:
    """Hash the images and labels that a loader yields, in their order.

    - Images in memory: every pixel, label and position.
    - Streamed images: the position, path, size and time of change of every file; all labels that
      are known without reading; how images are resized and converted, and what is done about
      unreadable ones; and the pixels of a fixed random sample of 512 images. A data set that does
      not say which files it reads is known by the rest: if pixels change outside of the sample and
      neither their number nor the labels do, the fingerprint stays.
    - Any other loader: everything that it yields. It is read once for this.

    Args:
        loader: Of `sslkit.data.ImageDataModule`, or yielding uint8 images with or without labels;
            it must be possible to iterate over it again.

    Returns:
        32 hexadecimal digits.

    Raises:
        TypeError: If the loader can be iterated over only once, or yields ready-made views.
        DataError: If an image of the sample is unreadable and may not be skipped.
    """
    found = hashlib.blake2b(digest_size=16)
    store = images_in_order(loader)
    found.update(f"{_FORMAT} {type(store).__name__}".encode())
    if isinstance(store, ResidentImages):
        _add_resident(found, store)
    elif store is not None:
        _add_streamed(found, store)
    else:
        _add_batches(found, loader)
    return found.hexdigest()


def images_in_order(loader: Iterable[Any]) -> Images | None:
    """The split that a loader reads from first to last; None if it is shuffled or not of ours."""
    if not isinstance(loader, ImageLoader) or loader.drop_last:
        return None
    ordered = isinstance(loader.sampler, SequentialSampler)
    store: Dataset = loader.dataset
    known = isinstance(store, ResidentImages | StreamedImages)
    return store if ordered and known else None


def _add_resident(found: _Hash, store: ResidentImages) -> None:
    for rows in store.rows.split(_CHUNK):
        _add(found, store.images.index_select(0, rows))
    _add(found, store.labels)
    _add(found, store.rows)


def _add_streamed(found: _Hash, store: StreamedImages) -> None:
    source, wanted, labels = store.source, store.wanted, store.label_map
    how = (wanted.shape, wanted.resize, wanted.convert, store.on_bad_image, labels.num_classes)
    found.update(f"{type(source).__module__}.{type(source).__qualname__} {how}".encode())
    for part in (labels.table, store.labels, store.rows):
        _add(found, torch.empty(0) if part is None else part)
    for file in _files(source, store.rows):
        found.update(file.encode(errors="surrogateescape"))
    sample = store.sample(_SAMPLE_SIZE, counter_generator(_SAMPLE, len(store)))
    for positions in sample.split(32):
        fetched = store.__getitems__(positions.tolist())
        # Of 32 images in a row that may be skipped, none need be readable.
        if fetched.error is not None and store.on_bad_image == "error":
            raise fetched.error
        found.update(f"{fetched.unreadable}".encode())
        if fetched.batch is not None:
            _add(found, fetched.batch.image)
            _add(found, fetched.batch.label)


def _files(source: Dataset, rows: Tensor) -> Iterator[str]:
    """Path, size and time of change of every shard, or of every row's file where that is known."""
    if isinstance(source, TarShards):
        yield from map(_state, source.shards)
        return
    samples = getattr(source, "samples", None)  # the name that torchvision uses
    for row in rows.tolist():
        if isinstance(source, ImageFolder):
            yield _state(source.path(row))
        elif isinstance(samples, list) and isinstance(samples[row], tuple):
            yield _state(samples[row][0])
        else:
            return


def _state(path: Any) -> str:
    try:
        status = os.stat(path)
    except (OSError, TypeError, ValueError):  # it is gone, or no path at all
        return f"{path}\n"
    return f"{path} {status.st_size} {status.st_mtime_ns}\n"


def _add_batches(found: _Hash, loader: Iterable[Any]) -> None:
    if isinstance(loader, Iterator):
        raise TypeError(
            f"the loader is a {type(loader).__name__}, which can be read only once, and it is read "
            "to know its images again: give a DataLoader or a list of batches."
        )
    for item in loader:
        batch = as_batch(item)
        if not isinstance(batch, Batch):
            raise TypeError(
                f"the loader yields {len(batch.views)} ready-made views, and features are taken of "
                "uint8 images (B, C, H, W): give it a loader of plain images."
            )
        for part in batch:
            _add(found, part)


def _add(found: _Hash, part: Tensor) -> None:
    array = np.ascontiguousarray(part.cpu().numpy())
    found.update(f"{array.dtype} {array.shape}".encode())
    found.update(array.data if array.size else b"")
