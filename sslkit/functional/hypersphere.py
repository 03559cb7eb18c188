"""Features on the unit sphere: how close partners lie, and how evenly all are spread.

Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity
on the hypersphere" (2020), https://arxiv.org/abs/2005.10242, section 4.2, with α = 2 and t = 2.

N images, D feature width.
"""

import torch
from torch import Tensor

from sslkit.functional.checks import check_matrix, check_pair
from sslkit.functional.normalise import unit_rows


def alignment(z1: Tensor, z2: Tensor) -> Tensor:
    """Mean squared distance between the unit rows of two views: mean over i of ‖ẑ1ᵢ − ẑ2ᵢ‖².

    Args:
        z1: ``(N, D)`` raw features of one view; normalised here.
        z2: ``(N, D)`` raw features of the other, row i of the same image.

    Returns:
        Scalar from 0 (both views alike) to 4, at least float32.

    Raises:
        ValueError: If the shapes differ or are not ``(N, D)`` with N ≥ 1.
    """
    check_pair(z1, z2, ("z1", "z2"))
    return (unit_rows(z1) - unit_rows(z2)).square().sum(dim=1).mean()


def uniformity(z: Tensor, *, chunk: int = 1024) -> Tensor:
    """Logarithm of the mean Gaussian potential of all pairs: log mean over i ≠ j exp(−2‖ẑᵢ − ẑⱼ‖²).

    Args:
        z: ``(N, D)`` raw features; normalised here.
        chunk: Rows on each side of the pairs that are handled at once: without a gradient, memory
            beside that of ``z`` is O(chunk²), whatever N is.

    Returns:
        Scalar from −8 to 0, at least float32; 0 is a collapse to one point, and the lower it is,
        the more evenly the rows are spread.

    Raises:
        ValueError: If ``z`` is not ``(N, D)`` with N ≥ 2, or ``chunk`` is below 1.
    """
    check_matrix(z, "z")
    if len(z) < 2:
        raise ValueError("uniformity() compares pairs of rows, and z has one: give two or more.")
    if chunk < 1:
        raise ValueError(f"uniformity() needs a chunk of at least 1 row, got chunk={chunk}.")
    with torch.autocast(z.device.type, enabled=False):
        parts = unit_rows(z).split(chunk)
        sums = []
        for at, rows in enumerate(parts):
            for other in range(at, len(parts)):
                potential = torch.exp(4 * (rows @ parts[other].T) - 4)  # −2‖a − b‖² of unit rows
                # Every pair once: of the tiles on the diagonal, what is above it.
                sums.append((potential.triu(1) if other == at else potential).sum())
        pairs = len(z) * (len(z) - 1) / 2
        return (torch.stack(sums).sum() / pairs).log()
