"""Random numbers for views: drawn on the CPU in one place, so that applying them is deterministic.

A `Draw` holds what one operation needs for n images, as tensors whose first dimension is n. Draws
can be kept, sent to another device, cut along their first dimension, and applied again.
"""

import torch
from torch import Generator, Tensor

Draw = dict[str, Tensor]


def uniform(
    *shape: int, low: float = 0.0, high: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Independent uniform numbers in [low, high), float32 of the given shape."""
    drawn = torch.rand(shape, generator=generator, device="cpu")
    return drawn.mul_(high - low).add_(low)


def coin(n: int, probability: float, generator: Generator | None = None) -> Tensor:
    """(n,) bool, each True with the given probability (never at 0, always at 1)."""
    return torch.rand(n, generator=generator, device="cpu") < probability
