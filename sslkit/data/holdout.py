"""Holding out a part of the training images for validation."""

import torch
from torch import Tensor


def hold_out(labels: Tensor, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Split n positions in two, every class in the same proportion.

    The images are shuffled, lined up by class, and taken at equal distances: a class of m images
    gives fraction · m of them, to within one.

    Args:
        labels: ``(n,)`` class indices.
        fraction: Part to hold out, in (0, 1).
        generator: Draws the shuffle.

    Returns:
        The positions kept and those held out, both sorted, int64; round(fraction · n) are held out.

    Raises:
        ValueError: If either part would be empty.
    """
    size = len(labels)
    count = round(fraction * size)
    if not 0 < count < size:
        raise ValueError(
            f"`val_fraction` is {fraction}: of {size} training images {count} would be held out "
            f"and {size - count} would be left. Choose a fraction that leaves both some."
        )
    order = torch.randperm(size, generator=generator)
    order = order[torch.argsort(labels[order], stable=True)]
    held = torch.zeros(size, dtype=torch.bool)
    held[order[((torch.arange(count) + 0.5) * size / count).long()]] = True
    return torch.nonzero(~held).flatten(), torch.nonzero(held).flatten()
