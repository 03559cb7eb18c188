"""Parts of a batch to work on at once, and how chosen images get in and out of it."""

import torch
from torch import Tensor

# Floats of a tensor that stays in a core's cache with what is made from it. Larger tensors, made
# fresh in every step, cost a CPU more than its arithmetic on them.
_CACHED = 2**19


def piece_of(images: Tensor) -> int:
    """How many images (B, ...) are worked on at once; on a device, all of them."""
    if images.device.type != "cpu":
        return max(1, len(images))
    return max(1, _CACHED // max(1, images[:1].numel()))


def chosen(mask: Tensor, images: Tensor) -> list[Tensor]:
    """Where `mask` is True, in pieces to work on one after another.

    The search runs where the mask lies: for draws left on the CPU a device is never waited for.

    Args:
        mask: (B,) bool.
        images: (B, ...) that the positions are of.

    Returns:
        Positions (m,) int64 on the images' device, none of them empty.
    """
    index = mask.nonzero().flatten()
    if len(index) == 0:
        return []
    return list(index.to(images.device, non_blocking=True).split(piece_of(images)))


def put(images: Tensor, index: Tensor, rows: Tensor) -> None:
    """Write rows (m, C, H, W) into the images (B, C, H, W), contiguous, at positions (m,)."""
    old, new = images.view(len(images), -1), rows.reshape(len(rows), -1)
    wide = old.shape[1] % 4 == 0 and old.storage_offset() % 4 == 0
    if images.device.type == "cpu" and images.dtype == torch.float32 and wide:
        # Numbers are copied one by one: fewer and wider ones take less time.
        old, new = old.view(torch.complex128), new.view(torch.complex128)
    old.index_copy_(0, index, new)
