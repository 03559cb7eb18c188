import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from sslkit.negatives.draws import columns, distinct_columns, symmetric_beta


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 1.6, 2.0, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_symmetric_beta_has_the_moments_of_beta(alpha: float, dtype: torch.dtype) -> None:
    n = 200_000
    x = symmetric_beta(alpha, (n,), generator=generator(), dtype=dtype).double()
    assert x.isfinite().all() and x.min() >= 0 and x.max() <= 1
    centred = x - 0.5
    # E x = 1/2, var = 1/(4(2α+1)), fourth central moment 3 var²·(2α+1)/(2α+3).
    variance = 1 / (4 * (2 * alpha + 1))
    fourth = 3 * variance**2 * (2 * alpha + 1) / (2 * alpha + 3)
    for power, expected, bound in ((1, 0.0, variance), (2, variance, fourth)):
        error = 5 * math.sqrt(bound / n)
        assert centred.pow(power).mean().item() == pytest.approx(expected, abs=error)
    assert centred.pow(4).mean().item() == pytest.approx(fourth, rel=0.02)


@pytest.mark.parametrize("alpha", [0.5, 1.6, 2.0])
def test_symmetric_beta_follows_the_distribution_of_torchs_own(alpha: float) -> None:
    n = 100_000
    found = symmetric_beta(alpha, (n,), generator=generator(), dtype=torch.float64)
    gamma = torch._standard_gamma(torch.full((2, n), alpha).double(), generator=generator(1))
    levels = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)
    ours, theirs = (
        (x[:, None] <= levels).double().mean(0) for x in (found, gamma[0] / gamma.sum(0))
    )
    # Two empirical distributions of n draws each: 3.5 standard errors at the worst level.
    assert (ours - theirs).abs().max() < 3.5 * math.sqrt(0.5 / n)


def test_a_uniform_is_beta_of_one() -> None:
    x = symmetric_beta(1.0, (50_000,), generator=generator(), dtype=torch.float64).sort().values
    assert (x - torch.linspace(0, 1, 50_000).double()).abs().max() < 0.01


def test_one_draw_is_a_scalar() -> None:
    assert symmetric_beta(2.0, (), generator=generator(), dtype=torch.float32).shape == ()


def test_columns_are_uniform_below_their_counts() -> None:
    drawn = columns(torch.tensor([5, 2, 1, 0]), 20_000, generator=generator())
    for row, count in zip(drawn, (5, 2, 1, 1), strict=True):
        share = row.bincount(minlength=count) / 20_000
        torch.testing.assert_close(share, torch.full((count,), 1 / count), atol=0.015, rtol=0)


def test_pairs_are_distinct_and_alike_likely() -> None:
    drawn = distinct_columns(torch.tensor([4, 2, 1, 0]), 24_000, generator=generator())
    assert (drawn[0, :2] != drawn[1, :2]).all()
    assert (drawn[:, 2:] == 0).all()
    for row, count in ((0, 4), (1, 2)):
        seen = Counter(zip(*drawn[:, row].tolist(), strict=True))
        ways = count * (count - 1)
        assert len(seen) == ways
        for times in seen.values():
            assert times / 24_000 == pytest.approx(1 / ways, abs=0.015)


def test_the_largest_uniform_stays_below_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def largest(size: tuple[int, ...], **_: object) -> Tensor:
        return torch.full(size, 1 - 2**-24)

    monkeypatch.setattr(torch, "rand", largest)
    counts = torch.arange(1, 100_000)
    assert torch.equal(columns(counts, 1, generator=generator())[:, 0], counts - 1)


def test_draws_are_those_of_the_generator() -> None:
    counts = torch.full((3,), 50)
    for draw in (
        lambda g: symmetric_beta(1.6, (4, 5), generator=g, dtype=torch.float32),
        lambda g: columns(counts, 7, generator=g),
        lambda g: distinct_columns(counts, 7, generator=g),
    ):
        before = torch.get_rng_state()
        first, again, other = (draw(generator(seed)) for seed in (3, 3, 4))
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert torch.equal(before, torch.get_rng_state())
