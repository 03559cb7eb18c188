"""Redundancy reduction: the dimensions of two views agree one by one and with no other.

Notation: N images, D embedding size, C the (D, D) cross-correlation of two views.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sslkit.functional.checks import check_pair
from sslkit.functional.normalise import widen


def barlow_twins(z1: Tensor, z2: Tensor, *, off_diagonal_weight: float = 0.0051) -> Tensor:
    """Barlow Twins: the cross-correlation of two views is pulled to the identity.

    Each view's dimensions are standardised over the batch (biased variance, 1e-5 added to it, as
    batch normalisation does), C = ẑ1ᵀẑ2/N, and::

        L = Σ_a (1 - C_aa)² + λ Σ_{a≠b} C_ab²

    Sums, not means. Gradient flows through both views and their statistics. A constant dimension
    adds 1. Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", 2021,
    equation 1, https://arxiv.org/abs/2103.03230.

    Args:
        z1: (N, D) raw embeddings of the first views.
        z2: (N, D) raw embeddings of the second views, row by row the same images.
        off_diagonal_weight: λ >= 0.

    Returns:
        Scalar in float32 (float64 for float64 inputs).

    Raises:
        ValueError: If the shapes differ or are not (N, D), or the weight is negative.
    """
    check_off_diagonal_weight(off_diagonal_weight)
    diagonal, off_diagonal = redundancy_terms(cross_correlation(z1, z2))
    return diagonal + off_diagonal_weight * off_diagonal


def cross_correlation(
    z1: Tensor, z2: Tensor, *, across: Callable[[Tensor], Tensor] = lambda mean: mean
) -> Tensor:
    """C = ẑ1ᵀẑ2/N of two views, each standardised over the batch.

    Args:
        z1: (n, D) raw embeddings of the first views, on this rank.
        z2: (n, D) raw embeddings of the second views.
        across: Makes the mean over all ranks, with gradient, of a mean over this rank's n images;
            the identity for one process.

    Returns:
        (D, D) in at least float32; row and column of a dimension that does not vary are 0.

    Raises:
        ValueError: If the shapes differ or are not (n, D).
    """
    check_pair(z1, z2, ("z1", "z2"))
    views = torch.stack([widen(z1), widen(z2)])  # (2, n, D), so that one message carries both
    with torch.autocast(z1.device.type, enabled=False):
        centred = views - across(views.mean(dim=1, keepdim=True))
        variance = across(centred.square().mean(dim=1, keepdim=True))
        first, second = centred * torch.rsqrt(variance + 1e-5)
        return across(first.T @ second / z1.shape[0])


def redundancy_terms(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """What Barlow Twins sums over the diagonal and off it.

    Args:
        correlation: (D, D) cross-correlation.

    Returns:
        Σ_a (1 - C_aa)² and Σ_{a≠b} C_ab², two scalars.
    """
    dim = correlation.shape[0]
    diagonal = (1 - correlation.diagonal()).square().sum()
    # The flat matrix without its first entry, in rows of D+1: the diagonal is the last column. A
    # difference of the two sums would lose the digits of a small off-diagonal.
    off_diagonal = correlation.flatten()[1:].view(dim - 1, dim + 1)[:, :-1]
    return diagonal, off_diagonal.square().sum()


def check_off_diagonal_weight(weight: float) -> None:
    """Refuse a weight that would reward redundancy.

    Raises:
        ValueError: If ``weight`` is not at least 0.
    """
    if not weight >= 0:
        raise ValueError(
            f"off_diagonal_weight must be at least 0, got {weight}. The paper uses 0.0051."
        )
