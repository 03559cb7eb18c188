import pytest
import torch
from torch import Tensor

from sslkit.functional import unit_rows
from sslkit.negatives import CrossView, InBatch, Pairs, Queue


def score(pairs: Pairs) -> Tensor:
    return pairs.query.sum(1)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_in_the_batch_the_other_images_are_the_negatives() -> None:
    all1, all2 = normal(5, 3), normal(5, 3, seed=1)
    pairs = InBatch(0.2, score)(all1[1:3], all2[1:3], all1, all2, offset=1)
    everyone = unit_rows(torch.cat([all1, all2]))
    assert torch.equal(pairs.bank, everyone)
    assert torch.equal(pairs.query, everyone[[1, 2, 6, 7]])
    assert torch.equal(pairs.positive[:, 0], everyone[[6, 7, 1, 2]])
    assert pairs.mask is not None
    for anchor, image in enumerate([1, 2, 1, 2]):
        expected = [row % 5 != image for row in range(10)]
        assert pairs.mask[anchor].tolist() == expected
    assert pairs.temperature == 0.2 and pairs.score is score
    with pytest.raises(ValueError, match="offset must lie between"):
        InBatch(0.2, score)(all1[1:3], all2[1:3], all1, all2, offset=4)


def test_in_the_batch_gradient_reaches_all_views() -> None:
    z1, z2 = normal(4, 3).requires_grad_(), normal(4, 3, seed=1).requires_grad_()
    pairs = InBatch(0.2, score)(z1, z2, z1, z2, offset=0)
    for part in (pairs.query, pairs.positive, pairs.bank):
        gradients = torch.autograd.grad(part[0].sum() + part[-1].sum(), [z1, z2], retain_graph=True)
        assert all(gradient.any() for gradient in gradients)


def test_across_views_the_own_image_is_the_positive() -> None:
    q, k = normal(2, 3).requires_grad_(), normal(5, 3, seed=1).double()
    pairs = CrossView(0.2, score)(q, k, offset=2)
    assert pairs.query.dtype == pairs.bank.dtype == torch.float64
    assert torch.equal(pairs.positive[:, 0], unit_rows(k)[2:4])
    assert pairs.mask is not None
    assert (~pairs.mask).nonzero().tolist() == [[0, 2], [1, 3]]


def test_all_rows_of_a_queue_are_negatives_and_keys_are_fixed() -> None:
    q, k = normal(2, 3).requires_grad_(), normal(2, 3, seed=1).requires_grad_()
    rows, weight = unit_rows(normal(6, 3, seed=2)), torch.tensor([1.0, 2.0])
    pairs = Queue(0.2, score)(q, k, rows, positive_weight=weight)
    assert pairs.mask is None
    assert pairs.query.requires_grad
    assert not pairs.positive.requires_grad and not pairs.bank.requires_grad
    assert torch.equal(pairs.positive, unit_rows(k.detach())[:, None])
    assert torch.equal(pairs.bank, rows)
    assert pairs.positive_weight is not None and pairs.positive_weight.tolist() == [[1.0], [2.0]]
    assert Queue(0.2, score)(q, k, rows).positive_weight is None


def test_half_precision_is_widened() -> None:
    z = normal(4, 3).bfloat16()
    for pairs in (
        InBatch(0.2, score)(z, z, z, z, offset=0),
        CrossView(0.2, score)(z, z, offset=0),
        Queue(0.2, score)(z, z, unit_rows(z)),
    ):
        assert pairs.query.dtype == pairs.positive.dtype == pairs.bank.dtype == torch.float32
