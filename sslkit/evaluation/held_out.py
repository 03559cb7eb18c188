"""The part of the training images on which a probe's settings are chosen."""

import torch
from torch import Tensor

from sslkit.data.holdout import hold_out
from sslkit.evaluation.linear import HELD_OUT


def held_out_rows(labels: Tensor, seed: int) -> Tensor:
    """Mark a fifth of the images: of every class, or of all where an image has several classes.

    Args:
        labels: ``(N,)`` classes, or ``(N, K)`` label sets.
        seed: Of the draw.

    Returns:
        ``(N,)`` bool.

    Raises:
        ValueError: If too few images are left on either side.
    """
    generator = torch.Generator().manual_seed(seed)
    if labels.ndim == 1:
        held = hold_out(labels, HELD_OUT, generator)
    else:
        held = torch.zeros(len(labels), dtype=torch.bool)
        if len(labels) > 2:
            order = torch.randperm(len(labels), generator=generator)
            held[order[: max(1, round(HELD_OUT * len(labels)))]] = True
    if not held.any():
        raise ValueError(
            f"no part of {len(labels)} training images can be held out to choose a probe's "
            "settings on: give at least two labelled training images of some class, or three "
            "images where they have several classes."
        )
    return held
