import math

import numpy as np
import pytest
import torch
from largest import Largest

from sslkit.functional import (
    alignment,
    dimension_std,
    effective_rank,
    rankme,
    representation_figures,
    singular_values,
    sparsity,
    spectrum,
    unit_rows,
)


def rows(n: int = 30, d: int = 6, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, dtype=torch.float64, generator=g) @ torch.diag(
        torch.logspace(0, -2, d, dtype=torch.float64)
    )


def slow_rankme(z: torch.Tensor) -> float:
    sigma = np.linalg.svd(z.numpy(), compute_uv=False)
    p = [s / sum(sigma) + 1e-7 for s in sigma]
    return math.exp(-sum(x * math.log(x) for x in p))


def slow_effective_rank(z: torch.Tensor) -> float:
    covariance = np.cov(z.numpy(), rowvar=False)
    values = np.linalg.eigvalsh(covariance)
    p = [max(v, 0) / sum(values) for v in values]
    return math.exp(-sum(x * math.log(x) for x in p if x > 0))


@pytest.mark.parametrize("shape", [(30, 6), (6, 30), (6, 6), (1, 4)])
def test_rankme_is_that_of_a_slow_twin(shape):
    z = rows(*shape)
    assert rankme(z).item() == pytest.approx(slow_rankme(z), rel=1e-12)


@pytest.mark.parametrize("shape", [(30, 6), (6, 30), (7, 6)])
def test_effective_rank_is_that_of_a_slow_twin(shape):
    z = rows(*shape) + 5
    assert effective_rank(z).item() == pytest.approx(slow_effective_rank(z), rel=1e-9)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("n", [25, 41, 100, 103])
def test_a_tall_matrix_is_read_in_parts_and_the_values_stay(monkeypatch, n, center):
    monkeypatch.setattr(spectrum, "_ROWS", 20)
    z = rows(n) + 2
    expected = np.linalg.svd(z.numpy() - center * z.numpy().mean(0), compute_uv=False)
    found = singular_values(z, center=center)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_a_tall_matrix_is_not_copied(monkeypatch):
    monkeypatch.setattr(spectrum, "_ROWS", 40)
    z = rows(4000)
    with Largest() as memory:
        rankme(z), effective_rank(z), sparsity(z)
    assert memory.made <= 2 * 46 * 6


def test_ranks_ignore_scale_rotation_and_order():
    z = rows()
    turn = torch.linalg.qr(rows(6)[:6]).Q
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    for rank in (rankme, effective_rank):
        torch.testing.assert_close(rank(1e4 * z[order] @ turn), rank(z))
        torch.testing.assert_close(rank((1e-4 * z).float()), rank(z).float(), rtol=1e-4, atol=0)
    torch.testing.assert_close(effective_rank(z + 3), effective_rank(z))
    assert rankme(z + 3) < 0.9 * rankme(z)


def test_ranks_of_what_is_known():
    even = torch.linalg.qr(torch.randn(40, 8, dtype=torch.float64)).Q
    assert rankme(even).item() == pytest.approx(8, rel=1e-5)
    balanced = torch.cat([torch.eye(8), -torch.eye(8)])
    assert effective_rank(balanced).item() == pytest.approx(8, rel=1e-6)
    line = torch.linspace(-1, 1, 20)[:, None] * torch.ones(1, 5)
    assert rankme(line).item() == pytest.approx(1, rel=1e-4)
    assert effective_rank(line).item() == pytest.approx(1, rel=1e-5)


def test_features_that_are_all_alike_have_rank_one():
    # 0.1 is not a binary number: what is left without the mean is rounding, of full rank.
    alike = torch.full((100, 16), 0.1) * torch.rand(16, generator=torch.Generator().manual_seed(0))
    assert effective_rank(alike).item() == 1
    assert rankme(alike).item() == pytest.approx(1, rel=1e-3)
    for rank in (rankme, effective_rank):
        assert rank(torch.zeros(5, 3)).item() == pytest.approx(1, rel=1e-4)


def test_half_precision_is_widened_and_nothing_flows_back():
    z = rows().float().half().requires_grad_()
    for figure in (rankme, effective_rank, sparsity, singular_values, dimension_std):
        found = figure(z)
        assert found.dtype == torch.float32 and not found.requires_grad
        torch.testing.assert_close(found, figure(z.detach().float()))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused(bad):
    z = rows()
    z[3, 2] = bad
    for rank in (rankme, effective_rank):
        with pytest.raises(ValueError, match="z must be finite"):
            rank(z)


def test_standard_deviations():
    z = torch.tensor([[1.0, 4.0], [3.0, 4.0]])
    assert dimension_std(z).tolist() == [1.0, 0.0]
    assert dimension_std(z[:1]).tolist() == [0.0, 0.0]


def test_sparsity_counts_zeros_and_what_is_near_them():
    z = torch.tensor([[0.0, 1.0, -1e-6], [0.0, -2.0, 1.0]])
    assert sparsity(z).item() == pytest.approx(3 / 6)
    assert sparsity(z, near=0).item() == pytest.approx(2 / 6)
    torch.testing.assert_close(sparsity(1e-4 * z), sparsity(z))
    assert sparsity(torch.zeros(2, 3)).item() == 1
    with pytest.raises(ValueError, match="near of at least 0"):
        sparsity(z, near=-1)


def test_the_figures_together_are_those_of_the_functions():
    z, other = rows(), rows(seed=1)
    found = representation_figures(z, other)
    assert set(found) == {
        "alignment", "uniformity", "rankme", "effective_rank", "std", "sparsity",
    }  # fmt: skip
    assert torch.equal(found["alignment"], alignment(z, other))
    assert torch.equal(found["rankme"], rankme(z))
    assert "alignment" not in representation_figures(z)
    expected = unit_rows(z).std(0, correction=0).mean() * math.sqrt(6)
    torch.testing.assert_close(found["std"], expected)
    assert representation_figures(torch.ones(4, 3))["std"].item() == pytest.approx(0, abs=1e-6)
    spread = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    assert representation_figures(spread)["std"].item() == pytest.approx(1, abs=0.01)
