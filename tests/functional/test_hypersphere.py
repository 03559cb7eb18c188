import math

import pytest
import torch
from largest import Largest

from sslkit.functional import alignment, uniformity


def rows(n: int = 7, d: int = 5, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, dtype=torch.float64, generator=g)


def slow_unit(row: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


def slow_distance(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(slow_unit(a), slow_unit(b), strict=True))


def test_alignment_is_the_mean_squared_distance_of_partners():
    a, b = rows(seed=1), rows(seed=2)
    slow = [slow_distance(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert alignment(a, b).item() == pytest.approx(sum(slow) / len(slow), rel=1e-12)
    assert alignment(a, 3 * a).item() == pytest.approx(0, abs=1e-14)
    assert alignment(a, -a).item() == pytest.approx(4, rel=1e-14)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_uniformity_is_the_log_of_the_mean_over_all_pairs(chunk):
    z = rows()
    listed = z.tolist()
    slow = [
        math.exp(-2 * slow_distance(listed[i], listed[j]))
        for i in range(len(listed))
        for j in range(len(listed))
        if i != j
    ]
    expected = math.log(sum(slow) / len(slow))
    assert uniformity(z, chunk=chunk).item() == pytest.approx(expected, rel=1e-12)


def test_both_ignore_rotation_order_and_the_length_of_rows():
    a, b = rows(seed=1), rows(seed=2)
    turn = torch.linalg.qr(rows(5, 5)).Q
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    scale = torch.logspace(-4, 4, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(alignment(a[order] @ turn, b[order] @ turn), alignment(a, b))
    torch.testing.assert_close(alignment(a * scale, b), alignment(a, b))
    torch.testing.assert_close(uniformity((a * scale)[order] @ turn, chunk=2), uniformity(a))


def test_bounds():
    assert uniformity(torch.ones(4, 3)).item() == pytest.approx(0, abs=1e-5)
    poles = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    assert uniformity(poles).item() == pytest.approx(-8)


def test_half_precision_is_widened():
    z = rows().bfloat16()
    for found in (uniformity(z), alignment(z, z.flip(0))):
        assert found.dtype == torch.float32
    torch.testing.assert_close(uniformity(z), uniformity(z.float()))


def test_both_can_be_trained_on():
    a, b = rows(5, 3, seed=1).requires_grad_(), rows(5, 3, seed=2).requires_grad_()
    torch.autograd.gradcheck(alignment, (a, b))
    torch.autograd.gradcheck(lambda x: uniformity(x, chunk=2), (a,))


def test_memory_does_not_grow_with_the_number_of_pairs():
    z = rows(600, 4)
    with Largest() as memory:
        uniformity(z, chunk=50)
    assert memory.made <= max(600 * 4, 50 * 50)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        alignment(rows(3), rows(4))
    with pytest.raises(ValueError, match="z has one: give two or more"):
        uniformity(rows(1))
    with pytest.raises(ValueError, match="chunk of at least 1 row"):
        uniformity(rows(), chunk=0)
    with pytest.raises(ValueError, match="must be a matrix"):
        uniformity(rows()[0])
