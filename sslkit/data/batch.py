"""What a training step is given: images or ready-made views, with labels and positions.

B images, C channels, H x W pixels, S_v pixels a side of view v.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_ADVICE = (
    "Give uint8 images (B, C, H, W) for sslkit to augment, alone or as (images, labels) or "
    "(images, labels, index); or ready-made float views: a list of at least two tensors "
    "(B, C, S, S), alone or as (views, labels)."
)


class Batch(NamedTuple):
    """Images as they were decoded, before any view is drawn.

    Attributes:
        image: ``(B, C, H, W)`` uint8, 0 to 255.
        label: ``(B,)`` int64, −1 = unlabelled; or ``(B, K)`` bool, several classes an image.
        index: ``(B,)`` int64, the image's stable position in its data set; −1 = unknown.
    """

    image: Tensor
    label: Tensor
    index: Tensor  # pyright: ignore[reportIncompatibleMethodOverride]


class CropBatch(NamedTuple):
    """Images that were cropped for each view as they were decoded, the rest of which is to come.

    Attributes:
        crops: V tensors ``(B, C, S_v, S_v)`` uint8, 0 to 255.
        label: ``(B,)`` int64, −1 = unlabelled; or ``(B, K)`` bool.
        index: ``(B,)`` int64; −1 = unknown.
    """

    crops: list[Tensor]
    label: Tensor
    index: Tensor  # pyright: ignore[reportIncompatibleMethodOverride]


class ViewBatch(NamedTuple):
    """Views that the user's own DataLoader has made already.

    Attributes:
        views: V tensors ``(B, C, S_v, S_v)`` float, normalised as the encoder expects.
        label: ``(B,)`` int64, −1 = unlabelled; or ``(B, K)`` bool.
        index: ``(B,)`` int64; −1 = unknown.
    """

    views: list[Tensor]
    label: Tensor
    index: Tensor  # pyright: ignore[reportIncompatibleMethodOverride]


def as_batch(batch: Any) -> Batch | ViewBatch:
    """Read whatever a user's DataLoader yields.

    Args:
        batch: A `Batch` or `ViewBatch` (returned as it is); uint8 images ``(B, C, H, W)``, alone or
            as ``(images, labels)`` or ``(images, labels, index)``; or a list of at least two float
            views, alone or as ``(views, labels)`` or ``(views, labels, index)``. Labels are
            ``(B,)`` integers or ``(B, K)`` bool.

    Returns:
        The same data, unlabelled where no labels were given.

    Raises:
        TypeError: For anything else; the message says what came.
    """
    if isinstance(batch, Batch | ViewBatch):
        return batch
    if isinstance(batch, Tensor):
        batch = (batch,)
    if not isinstance(batch, Sequence) or isinstance(batch, str | bytes) or not batch:
        raise TypeError(f"A batch is {_describe(batch)}, which sslkit cannot read. {_ADVICE}")
    if _are_views(batch):
        batch = (batch,)
    first, rest = batch[0], list(batch[1:])
    if len(rest) <= 2:
        if isinstance(first, Tensor) and first.dtype == torch.uint8 and first.ndim == 4:
            return Batch(first, *_label_and_index(rest, first))
        if isinstance(first, Sequence) and _are_views(first):
            views = list(first)
            if len({tuple(view.shape[:2]) for view in views}) > 1:
                raise TypeError(
                    "The views of a batch differ in their number of images or channels: "
                    f"{', '.join(_describe(view) for view in views)}. Every view needs the same "
                    "images in the same order; only their height and width may differ."
                )
            return ViewBatch(views, *_label_and_index(rest, views[0]))
    if isinstance(first, Tensor) and first.is_floating_point():
        raise TypeError(
            f"A batch starts with one {_describe(first)}: one float tensor is neither images to "
            f"augment nor a set of views to compare. {_ADVICE}"
        )
    raise TypeError(f"A batch is {_describe(batch)}, which sslkit cannot read. {_ADVICE}")


def _are_views(items: Sequence[Any]) -> bool:
    """Whether these are at least two float tensors ``(B, C, S, S)``."""
    return len(items) >= 2 and all(
        isinstance(item, Tensor) and item.is_floating_point() and item.ndim == 4 for item in items
    )


def _label_and_index(rest: list[Any], images: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and positions of B images; −1 where none came. ``rest`` holds 0 to 2 items."""
    size = images.shape[0]
    unknown = torch.full((size,), -1, dtype=torch.int64, device=images.device)
    label = _integers(rest[0], "labels", size, allow_classes=True) if rest else unknown
    index = _integers(rest[1], "index", size, allow_classes=False) if len(rest) > 1 else unknown
    return label, index


def _integers(value: Any, name: str, size: int, *, allow_classes: bool) -> Tensor:
    """A ``(B,)`` tensor as int64, or a ``(B, K)`` bool one as it is; anything else is refused."""
    if isinstance(value, Tensor) and value.shape[:1] == (size,):
        whole = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
        if value.ndim == 1 and whole:
            return value.long()
        if allow_classes and value.ndim == 2 and value.dtype == torch.bool:
            return value
    several = f" or ({size}, classes) bool" if allow_classes else ""
    raise TypeError(
        f"The {name} of a batch of {size} images are {_describe(value)}; they must be a tensor of "
        f"({size},) whole numbers{several}. {_ADVICE}"
    )


def _describe(value: Any) -> str:
    """A few words on what a value is, for messages."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} tensor {tuple(value.shape)}"
    if isinstance(value, dict):
        return f"dict with keys {sorted(map(str, value))}"
    if isinstance(value, list | tuple):
        inside = ", ".join(_describe(item) for item in value[:4])
        return f"{type(value).__name__} of {len(value)} [{inside}{', ...' * (len(value) > 4)}]"
    return type(value).__name__
