"""How many directions features use: the spectrum of a feature matrix and what is read off it.

All of these are figures to look at: nothing flows back through them.

N rows, D feature width.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from sslkit.functional.checks import check_matrix
from sslkit.functional.normalise import widen

_RANKME_EPSILON = 1e-7
# Rows handled at once, so that a matrix larger than memory can be read from a file.
_ROWS = 8192


@torch.no_grad()
def singular_values(z: Tensor, *, center: bool = False) -> Tensor:
    """Singular values of a feature matrix, in descending order.

    A tall matrix is first reduced to its triangular factor, a few thousand rows at a time, which
    has the same singular values: memory beside that of ``z`` is O(D²), whatever N is.

    Args:
        z: ``(N, D)`` raw features; half precision is widened.
        center: Take the mean row away first.

    Returns:
        ``(min(N, D),)`` non-negative, at least float32.

    Raises:
        ValueError: If ``z`` is not ``(N, D)`` with N ≥ 1, or not finite.
    """
    check_matrix(z, "z")
    with torch.autocast(z.device.type, enabled=False):
        # The mean before the check: that of values that are not finite is not finite either.
        mean = widen(z.mean(dim=0)) if center else None
        factor: Tensor | None = None
        for rows in _chunks(z, at_least=4 * z.shape[1]):
            if not rows.isfinite().all():
                raise ValueError(
                    "z must be finite, and it holds NaN or infinite features: the network has "
                    "diverged, or its input is broken."
                )
            rows = rows if mean is None else rows - mean
            rows = rows if factor is None else torch.cat([factor, rows])
            tall = len(rows) > 4 * rows.shape[1] or factor is not None
            factor = torch.linalg.qr(rows, mode="r").R if tall else rows
        assert factor is not None  # z has rows
        return torch.linalg.svdvals(factor)


def rankme(z: Tensor) -> Tensor:
    """RankMe: exp of the entropy of pₖ = σₖ / Σσ + 1e-7 over the singular values σ of ``z``.

    Garrido et al., "RankMe: assessing the downstream performance of pretrained self-supervised
    representations by their rank" (2023), https://arxiv.org/abs/2210.02885, equation 1. The matrix
    is not centred. It grows with N until N is several times D, so compare figures of equally many
    rows (the paper takes 25,600).

    Args:
        z: ``(N, D)`` raw features.

    Returns:
        Scalar from 1 to min(N, D), at least float32.

    Raises:
        ValueError: See `singular_values`.
    """
    sigma = singular_values(z)
    return _perplexity(_shares(sigma) + _RANKME_EPSILON)


def effective_rank(z: Tensor) -> Tensor:
    """Exp of the entropy of the eigenvalues of the covariance of ``z``, normalised to sum 1.

    After Roy and Vetterli, "The effective rank: a measure of effective dimensionality" (2007), of
    variances: a direction counts by how much of the variance of the rows it holds. The covariance
    is that of the centred rows.

    Args:
        z: ``(N, D)`` raw features.

    Returns:
        Scalar from 1 to min(N, D), at least float32; 1 too where all rows are alike.

    Raises:
        ValueError: See `singular_values`.
    """
    sigma = singular_values(z, center=True)
    # Of rows that are all alike, taking the mean away leaves rounding, which has full rank.
    size = torch.linalg.vector_norm(z.detach(), dtype=sigma.dtype)
    rounding = torch.finfo(sigma.dtype).eps * max(z.shape) ** 0.5 * size
    sigma = sigma.where(sigma > rounding, 0)
    return _perplexity(_shares(_shares(sigma).square()))  # shares first: no square underflows


@torch.no_grad()
def dimension_std(z: Tensor) -> Tensor:
    """Standard deviation of every feature over the rows; 0 where a feature never changes.

    Args:
        z: ``(N, D)`` raw features.

    Returns:
        ``(D,)`` at least float32: the root of the mean squared deviation.

    Raises:
        ValueError: If ``z`` is not ``(N, D)`` with N ≥ 1.
    """
    check_matrix(z, "z")
    return widen(z).std(dim=0, correction=0)


@torch.no_grad()
def sparsity(z: Tensor, *, near: float = 1e-3) -> Tensor:
    """Share of all features that are zero or near it, as ReLU leaves them.

    Args:
        z: ``(N, D)`` raw features.
        near: A feature counts if its absolute value is at most so much of the root mean square of
            all features in ``z``; 0 counts exact zeros only.

    Returns:
        Scalar from 0 to 1, at least float32.

    Raises:
        ValueError: If ``z`` is not ``(N, D)`` with N ≥ 1, or ``near`` is below 0.
    """
    check_matrix(z, "z")
    if not near >= 0:
        raise ValueError(f"sparsity() needs near of at least 0, got {near}.")
    dtype = torch.promote_types(z.dtype, torch.float32)
    size = torch.linalg.vector_norm(z, dtype=dtype) / z.numel() ** 0.5
    counts = [(rows.abs() <= near * size).sum() for rows in _chunks(z)]
    return (torch.stack(counts).sum() / z.numel()).to(dtype)


def _chunks(z: Tensor, at_least: int = 1) -> Iterator[Tensor]:
    """A few thousand rows after another, in at least float32."""
    for rows in z.detach().split(max(_ROWS, at_least)):
        yield widen(rows)


def _shares(x: Tensor) -> Tensor:
    """Non-negative values (K,) over their sum; zeros where there is nothing."""
    return x / x.sum().clamp(min=torch.finfo(x.dtype).tiny)


def _perplexity(p: Tensor) -> Tensor:
    """Exp of the entropy of (K,) shares; a share of zero adds nothing."""
    return torch.special.entr(p).sum().exp()
