"""Rows of length one, in enough precision for a loss."""

import torch
from torch import Tensor


def widen(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unit_rows(x: Tensor) -> Tensor:
    """Divide each row by its Euclidean norm, in at least float32.

    The norm is floored at 1e-12, so a zero row stays zero.

    Args:
        x: (N, D) floating-point tensor; half precision is widened to float32 first.

    Returns:
        (N, D) float32 (float64 for float64 input) with rows of norm 1.
    """
    with torch.autocast(x.device.type, enabled=False):
        return torch.nn.functional.normalize(widen(x), dim=1, eps=1e-12)
