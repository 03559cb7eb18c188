import largest
import pytest
import torch
from torch import Tensor

from sslkit.functional import queue_contrast, queue_dcl_per_anchor, queue_nce, queue_nce_per_anchor
from sslkit.functional.queue_contrast import cross_entropy_with, queue_logits

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def inputs(
    n: int = 5, k: int = 7, d: int = 6, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + k)
    rows = torch.randn(2 * n + k, d, generator=generator, dtype=torch.float64)
    q, queue = rows[:n], torch.nn.functional.normalize(rows[2 * n :], dim=1)
    k = q + rows[n : 2 * n]
    return q.to(dtype).requires_grad_(), k.to(dtype), queue.to(dtype)


def in_the_open(
    q: Tensor, k: Tensor, queue: Tensor, temperature: float, weight: Tensor | None, coupled: bool
) -> Tensor:
    """The same losses with all logits held and autograd through them."""
    positive, negatives = queue_logits(q, k, queue, temperature=temperature)
    if coupled:
        return cross_entropy_with(positive, negatives)
    return negatives.logsumexp(1) - (positive if weight is None else weight * positive)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 50), (5, 1), (5, 7), (8, 64), (21, 100)])
@pytest.mark.parametrize("tile", [(256, 1 << 20), (8, 64), (4, 12)])
def test_equals_autograd_in_value_and_gradient(
    n: int, k: int, tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_contrast, "_TILE_QUERIES", tile[0])
    monkeypatch.setattr(queue_contrast, "_TILE_LOGITS", tile[1])
    q, keys, queue = inputs(n, k)
    incoming = torch.linspace(-1, 2, n, dtype=torch.float64)
    weight = torch.linspace(0.5, 1.5, n, dtype=torch.float64, requires_grad=True)
    for coupled in (True, False):
        if coupled:
            losses = queue_nce_per_anchor(q, keys, queue, temperature=0.1)
        else:
            losses = queue_dcl_per_anchor(q, keys, queue, temperature=0.1, weight=weight)
        expected = in_the_open(q, keys, queue, 0.1, weight, coupled)
        torch.testing.assert_close(losses, expected, **EXACT)
        learned = (q,) if coupled else (q, weight)
        found = torch.autograd.grad(losses, learned, incoming)
        wanted = torch.autograd.grad(expected, learned, incoming)
        torch.testing.assert_close(found, wanted, **EXACT)


def test_gradcheck() -> None:
    q, k, queue = inputs(3, 9, 4)
    for loss in (queue_nce_per_anchor, queue_dcl_per_anchor):
        assert torch.autograd.gradcheck(lambda q, f=loss: f(q, k, queue, temperature=0.3), (q,))


@pytest.mark.parametrize("temperature", [0.004, 0.05, 5.0])
def test_float32_is_near_float64(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_contrast, "_TILE_LOGITS", 256)
    results = {}
    for dtype in (torch.float32, torch.float64):
        q, k, queue = inputs(6, 300, dtype=dtype)
        loss = queue_nce(q, k, queue, temperature=temperature)
        results[dtype] = [loss.detach(), *torch.autograd.grad(loss, q)]
        assert all(x.dtype == dtype for x in results[dtype])
    for single, double in zip(*results.values(), strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


def test_a_row_of_the_queue_far_below_the_others_and_one_far_above() -> None:
    # In float32, exp of either overflows or vanishes unless it is taken relative to the largest.
    q, k = torch.tensor([[1.0, 0]], requires_grad=True), torch.tensor([[0.0, 1]])
    queue = torch.tensor([[-1.0, 0], [1, 0]])
    assert queue_nce(q, k, queue, temperature=0.005).item() == pytest.approx(200, rel=1e-6)
    only = queue_dcl_per_anchor(q, -q.detach(), queue[:1], temperature=0.005)
    assert only.item() == pytest.approx(0, abs=1e-4)


def test_the_queue_may_move_on_before_the_backward_pass() -> None:
    q, k, queue = inputs()
    expected = torch.autograd.grad(queue_nce(q, k, queue, temperature=0.2), q)
    loss = queue_nce(q, k, queue, temperature=0.2)
    queue.zero_()
    torch.testing.assert_close(torch.autograd.grad(loss, q), expected, rtol=0, atol=0)


def test_a_second_derivative_is_refused() -> None:
    q, k, queue = inputs()
    (first,) = torch.autograd.grad(queue_nce(q, k, queue, temperature=0.2), q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_without_gradient_the_value_is_the_same_and_nothing_is_kept() -> None:
    q, k, queue = inputs()
    expected = queue_nce(q, k, queue, temperature=0.2).detach()
    with torch.no_grad():
        assert torch.equal(queue_nce(q, k, queue, temperature=0.2), expected)
    alone = queue_nce(q.detach(), k, queue, temperature=0.2)
    assert torch.equal(alone, expected) and not alone.requires_grad


def test_autocast_changes_nothing() -> None:
    q, k, queue = inputs(dtype=torch.float32)
    expected = torch.autograd.grad(queue_nce(q, k, queue, temperature=0.2), q)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(queue_nce(q, k, queue, temperature=0.2), q)
    assert torch.equal(found[0], expected[0])


def test_neither_the_logits_nor_a_copy_of_the_queue_is_held() -> None:
    q, k, queue = inputs(128, 40_000, 32, dtype=torch.float32)
    with largest.Largest() as seen:
        queue_nce(q, k, queue, temperature=0.2).backward()
    assert seen.made <= 1 << 20
    with largest.Largest() as seen:
        in_the_open(q, k, queue, 0.2, None, True).mean().backward()
    assert seen.made == 128 * 40_000
