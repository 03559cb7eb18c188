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
    diagonal, off_diagonal = redundancy(z1, z2)
    return diagonal + off_diagonal_weight * off_diagonal


def redundancy(
    z1: Tensor, z2: Tensor, *, across: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """What Barlow Twins sums over the diagonal of C and off it.

    C = ẑ1ᵀẑ2/N of two views, each standardised over the batch.

    In one process whose batch has at most half as many images as the embedding has dimensions, C is
    not made: Σ C_ab² = <ẑ1ẑ1ᵀ, ẑ2ẑ2ᵀ>/N² needs matrices of N x N, 2N/D of the work and N²/D² of the
    memory.

    Args:
        z1: (n, D) raw embeddings of the first views, on this rank.
        z2: (n, D) raw embeddings of the second views.
        across: Makes the mean over all ranks, with gradient, of a mean over this rank's n images;
            None for one process.

    Returns:
        Σ_a (1 - C_aa)² and Σ_{a≠b} C_ab², two scalars in at least float32. Row and column of a
        dimension that does not vary are 0.

    Raises:
        ValueError: If the shapes differ or are not (n, D).
    """
    check_pair(z1, z2, ("z1", "z2"))
    views = torch.stack([widen(z1), widen(z2)])  # (2, n, D), so that one message carries both
    mean = across if across is not None else lambda mine: mine
    with torch.autocast(z1.device.type, enabled=False):
        centred = views - mean(views.mean(dim=1, keepdim=True))
        variance = mean(centred.square().mean(dim=1, keepdim=True))
        first, second = centred * torch.rsqrt(variance + 1e-5)
        if across is None and 2 * len(z1) <= z1.shape[1]:
            return _terms_of_views(first, second)
        return _terms(mean(first.T @ second / len(z1)))


def _terms_of_views(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both sums from standardised views (N, D)."""
    diagonal = (first * second).mean(dim=0)
    everything = ((first @ first.T) * (second @ second.T)).sum() / len(first) ** 2
    # A difference keeps its digits here: C has a rank below N, so that beside an even diagonal the
    # rest is at least D/N - 1 times what is taken away.
    return (1 - diagonal).square().sum(), everything - diagonal.square().sum()


def _terms(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Both sums from C (D, D)."""
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
