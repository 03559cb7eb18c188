"""What a source of images is, and how to read one item of it.

A source is any map-style data set whose items are an image or ``(image, label)``; see
`sslkit.data.decode.to_uint8` for what an image may be. A label is a whole number, −1 or ``None``
meaning unlabelled, or the set of an image's classes, see `sslkit.data.label_sets`. N items, K
classes.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from sslkit.data.arrays import ImageArrays
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.folder import ImageFolder
from sslkit.data.label_sets import class_count, looks_like_sets
from sslkit.data.read_ahead import ReadAhead
from sslkit.data.shards import TarShards

# What Pillow and the readers beneath it raise at a damaged file. A user's data set may raise
# anything else by a mistake of its own, which must not pass for a damaged image.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def check_source(source: Any, argument: str) -> None:
    """Refuse what cannot be indexed.

    Args:
        source: What the user gave.
        argument: Under which name.

    Raises:
        TypeError: If it has no ``__getitem__`` or no ``__len__``.
        ValueError: If it is empty.
    """
    indexable = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if not indexable or isinstance(source, IterableDataset):
        raise TypeError(
            f"`{argument}` is a {type(source).__name__}, which has no positions to shuffle. Give a "
            "path, or a map-style Dataset: one with __getitem__ and __len__, whose items are an "
            "image or (image, label)."
        )
    if len(source) == 0:
        raise ValueError(f"`{argument}` is a {type(source).__name__} of 0 images. Give at least 1.")


def fetch(source: Dataset, position: int) -> tuple[Any, Any]:
    """The raw image and label of one item.

    Args:
        source: A source of N items.
        position: 0 to N−1.

    Returns:
        Image and label as the source gives them; label −1 if the item is an image alone.

    Raises:
        UnreadableImageError: If the source fails to read its file: one of ours by any error,
            another by an error that Pillow raises at damaged or oversized files.
        DataError: If the item is neither an image nor ``(image, label)``.
    """
    try:
        item = source[position]
    except (MemoryError, DataError):
        raise
    except Exception as error:
        ours = isinstance(source, ImageFolder | TarShards | ReadAhead)
        if not ours and not isinstance(error, _DAMAGE):
            raise
        name = item_name(source, position)
        why = str(error) or type(error).__name__
        raise UnreadableImageError(f"{name} cannot be read as an image: {why}") from error
    if not isinstance(item, tuple | list):
        return item, -1
    if len(item) == 1:
        return item[0], -1
    if len(item) == 2:
        return item[0], item[1]
    raise DataError(
        f"{item_name(source, position)} has {len(item)} parts. An item of a data set must be an "
        "image or (image, label)."
    )


def item_name(source: Dataset, position: int) -> str:
    """What messages call an item: its file where that is known, else its position."""
    if isinstance(source, ImageFolder):
        return source.path(position)
    if isinstance(source, TarShards | ReadAhead):
        return source.item_name(position)
    if isinstance(source, ImageArrays):
        return f"Image {position} in {source.name}"
    samples = getattr(source, "samples", None)
    if isinstance(samples, list) and position < len(samples):
        first = samples[position][0] if isinstance(samples[position], tuple) else None
        if isinstance(first, str):
            return first
    return f"Item {position} of {type(source).__name__}"


def known_labels(source: Dataset) -> Tensor | None:
    """The labels of all items where they can be had without reading an image.

    They are looked for under ``labels`` and ``targets``, the names that torchvision uses.

    Args:
        source: A source of N items.

    Returns:
        ``(N,)`` int64, −1 = unlabelled; ``(N, K)`` bool; or None.
    """
    if getattr(source, "target_transform", None) is not None:
        return None
    for attribute in ("labels", "targets"):
        value = getattr(source, attribute, None)
        if not isinstance(value, Sequence | np.ndarray | Tensor) or isinstance(value, str | bytes):
            continue
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            continue
        if array.shape == (length(source),) and np.issubdtype(array.dtype, np.integer):
            return torch.from_numpy(array.astype(np.int64))
        whole = array.dtype == np.bool_ or np.issubdtype(array.dtype, np.integer)
        if whole and looks_like_sets(array.shape, length(source)):
            if ((array == 0) | (array == 1)).all():
                return torch.from_numpy(array.astype(np.bool_))
    return None


def known_class_count(source: Dataset) -> int | None:
    """K where a source says it: by its class names, by a number, or by labels that it knows."""
    classes = known_classes(source)
    if classes:
        return len(classes)
    if isinstance(source, TarShards) and source.num_classes is not None:
        return source.num_classes
    return class_count(known_labels(source))


def known_classes(source: Dataset) -> list[str] | None:
    """The K class names, or None. torchvision's tuples of synonyms become one name."""
    classes = getattr(source, "classes", None)
    if not isinstance(classes, Sequence) or isinstance(classes, str | bytes) or not classes:
        return None
    return [", ".join(c) if isinstance(c, tuple | list) else str(c) for c in classes]


def length(source: Dataset) -> int:
    """N. `Dataset` itself declares no length; `check_source` has seen that this one has it."""
    return len(source)  # pyright: ignore[reportArgumentType]
