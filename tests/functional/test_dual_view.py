import math

import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    dual_view_nce_per_anchor,
    hard_queue_nce_per_anchor,
    queue_nce_per_anchor,
    unit_rows,
)


def inputs(n: int = 5, k: int = 9, d: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2 * n + k, d, generator=generator, dtype=torch.float64)
    return rows[:n], rows[:n] + rows[n : 2 * n], unit_rows(rows[2 * n :])


def slow(anchor: Tensor, positive: Tensor, queue: Tensor, hardest: int) -> float:
    own = torch.cosine_similarity(anchor, positive, dim=0).item() / 0.3
    scores = sorted(torch.cosine_similarity(anchor, row, dim=0).item() for row in queue)
    return -own + math.log(math.exp(own) + sum(math.exp(s / 0.3) for s in scores[-hardest:]))


@pytest.mark.parametrize("hardest", [1, 4, 9])
def test_equals_the_double_loop(hardest: int) -> None:
    q, k, queue = inputs()
    found = dual_view_nce_per_anchor(q, k, queue, temperature=0.3, hardest=hardest, key_weight=0.25)
    for i in range(5):
        expected = 0.75 * slow(q[i], k[i], queue, hardest) + 0.25 * slow(k[i], q[i], queue, hardest)
        assert found[i].item() == pytest.approx(expected, rel=1e-12)


def test_with_the_whole_queue_and_no_weight_on_keys_it_is_moco() -> None:
    q, k, queue = inputs()
    found = dual_view_nce_per_anchor(q, k, queue, temperature=0.3, hardest=9, key_weight=0)
    torch.testing.assert_close(found, queue_nce_per_anchor(q, k, queue, temperature=0.3))


def test_terms_are_equal_where_query_and_key_are() -> None:
    q, _, queue = inputs()
    terms = [
        dual_view_nce_per_anchor(q, 2 * q, queue, temperature=0.3, hardest=9, key_weight=w)
        for w in (0.0, 1.0)
    ]
    torch.testing.assert_close(*terms)


def test_more_negatives_are_more_loss() -> None:
    q, k, queue = inputs()
    losses = torch.stack(
        [
            dual_view_nce_per_anchor(q, k, queue, temperature=0.3, hardest=h, key_weight=0.5)
            for h in range(1, 10)
        ]
    )
    assert (losses.diff(dim=0) > 0).all()


def test_the_second_term_reaches_the_query_as_a_positive_only() -> None:
    q, k, queue = (x.requires_grad_() for x in inputs())
    loss = dual_view_nce_per_anchor(q, k, queue, temperature=0.3, hardest=4, key_weight=1.0)
    of_q, of_k, of_queue = torch.autograd.grad(loss.sum(), (q, k, queue), allow_unused=True)
    assert of_k is None and of_queue is None
    # Its negatives are those of the key: the gradient lies along the key, as seen from the sphere.
    unit = unit_rows(q.detach())
    towards = unit_rows(k.detach())
    towards = towards - torch.linalg.vecdot(towards, unit)[:, None] * unit
    assert (torch.cosine_similarity(of_q, towards) < -1 + 1e-9).all()


def test_negatives_get_gradient_through_their_cosines() -> None:
    q, k, queue = inputs()
    q.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: hard_queue_nce_per_anchor(x, k, queue, temperature=0.3, hardest=4), q
    )


@pytest.mark.parametrize("hardest", [0, 10])
def test_hardest_is_checked(hardest: int) -> None:
    q, k, queue = inputs()
    with pytest.raises(ValueError, match=f"between 1 and the queue's 9 rows, got {hardest}"):
        hard_queue_nce_per_anchor(q, k, queue, temperature=0.3, hardest=hardest)
