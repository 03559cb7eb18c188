"""The random numbers of plug-ins that mix, all from a generator that is handed in."""

import math

import torch
from torch import Tensor


def symmetric_beta(
    alpha: float, shape: tuple[int, ...], *, generator: torch.Generator, dtype: torch.dtype
) -> Tensor:
    """Draws from Beta(α, α), which torch's own distribution does not take a generator for.

    Exact for every α, without rejection. With U, V uniform, t = sqrt(U^(-1/α) - 1) cos(2πV) is
    distributed as Student's t with 2α degrees of freedom, divided by sqrt(2α), and then
    (1 + t/sqrt(1+t²))/2 is Beta(α, α). Bailey, "Polar generation of random variates with the
    t-distribution", 1994; Devroye, "Random variate generation in one line of code", 1996.

    Args:
        alpha: α > 0.
        shape: Of the draws; () for one.
        generator: Where they come from, and on which device.
        dtype: float32 or float64.

    Returns:
        Tensor of the shape, in [0, 1], on the generator's device.
    """
    device = generator.device
    # In (0, 1], so that the logarithm is finite.
    log_uniform = (1 - torch.rand(shape, generator=generator, dtype=dtype, device=device)).log()
    angle = torch.rand(shape, generator=generator, dtype=dtype, device=device)
    cosine = angle.mul_(2 * math.pi).cos_()
    # u = U^(1/α); written with 1 - u, since u is often near 0 for a small α and near 1 for a large.
    rest = torch.expm1(log_uniform.div_(alpha)).neg_()
    spread = (1 - rest + rest * cosine.square()).sqrt_()
    return rest.sqrt_().mul_(cosine).div_(spread).add_(1).div_(2).clamp_(0, 1)


def columns(counts: Tensor, size: int, *, generator: torch.Generator) -> Tensor:
    """A uniformly drawn column for each of some mixes of each anchor.

    Args:
        counts: (N,) int64, the columns 0 to count-1 are drawn from; 0 draws column 0.
        size: S, draws for each anchor.
        generator: On the device of the counts.

    Returns:
        (N, S) int64.
    """
    uniform = torch.rand((len(counts), size), generator=generator, device=counts.device)
    # A float32 below one, times a whole number, is rounded to below that number.
    return uniform.mul_(counts.clamp_min(1)[:, None]).long()


def distinct_columns(counts: Tensor, size: int, *, generator: torch.Generator) -> Tensor:
    """Two different columns for each of some mixes of each anchor, all pairs alike likely.

    Args:
        counts: (N,) int64, the columns 0 to count-1 are drawn from; below 2 both are column 0.
        size: S, pairs for each anchor.
        generator: On the device of the counts.

    Returns:
        (2, N, S) int64.
    """
    first = columns(counts, size, generator=generator)
    # From the columns without the first: those from it on are one further.
    second = columns(counts - 1, size, generator=generator)
    second += (second >= first) & (counts > 1)[:, None]
    return torch.stack([first, second])
