"""Holding out a part of the rows of every class, to validate or to choose on."""

import torch
from torch import Tensor


def hold_out(labels: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Mark a random part of the rows of every class.

    A class of m rows gives round(fraction · m), but at least one and at most m − 1. One that has a
    single row keeps it.

    Args:
        labels: ``(n,)`` int64 class indices.
        fraction: Part to hold out, in (0, 1).
        generator: Draws the rows.

    Returns:
        ``(n,)`` bool, True for the held-out rows; all False if no class has two rows.
    """
    order = torch.randperm(len(labels), generator=generator)
    order = order[torch.argsort(labels[order], stable=True)]
    _, sizes = torch.unique_consecutive(labels[order], return_counts=True)
    held = torch.zeros(len(labels), dtype=torch.bool)
    for rows in order.split(sizes.tolist()):
        held[rows[: min(max(round(fraction * len(rows)), 1), len(rows) - 1)]] = True
    return held
