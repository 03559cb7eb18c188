"""Losses that pull one embedding to another, without negatives (BYOL)."""

import torch
from torch import Tensor

from sslkit.functional.checks import check_pair
from sslkit.functional.normalise import unit_rows


def normalized_mse(p: Tensor, z: Tensor) -> Tensor:
    """Squared distance of unit vectors, one direction of BYOL, mean over the N images.

    With hats for unit rows and sg for stop-gradient::

        L = 1/N Σ_i ‖p̂_i - sg(ẑ_i)‖² = 1/N Σ_i [ 2 - 2 p̂_i·sg(ẑ_i) ]

    Grill et al., "Bootstrap Your Own Latent", 2020, equation 2, https://arxiv.org/abs/2006.07733.

    Args:
        p: (N, D) raw predictions.
        z: (N, D) raw target projections, row by row of the same images; detached.

    Returns:
        Scalar in float32 (float64 for float64 inputs) in [0, 4].

    Raises:
        ValueError: If the shapes differ or are not (N, D).
    """
    return normalized_mse_per_anchor(p, z).mean()


def normalized_mse_per_anchor(p: Tensor, z: Tensor) -> Tensor:
    """`normalized_mse` before its mean.

    Args:
        p: (N, D) raw predictions.
        z: (N, D) raw target projections; detached.

    Returns:
        (N,) loss of each image.

    Raises:
        ValueError: If the shapes differ or are not (N, D).
    """
    check_pair(p, z, ("p", "z"))
    with torch.autocast(p.device.type, enabled=False):
        return 2 - 2 * torch.linalg.vecdot(unit_rows(p), unit_rows(z.detach()))
