"""The losses of pairs, against the losses without plug-ins and against double loops."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    cross_view_nce_per_anchor,
    dcl_per_anchor,
    debiased_nce_per_anchor,
    nearest_neighbour_nce_per_anchor,
    nt_xent_per_anchor,
    queue_dcl_per_anchor,
    queue_nce_per_anchor,
    unit_rows,
)
from sslkit.negatives import (
    CrossView,
    HardNegativeMixing,
    InBatch,
    Mixes,
    NegativeInterpolation,
    Pairs,
    PositiveExtrapolation,
    Queue,
    make_mixes,
)
from sslkit.objectives import pair_losses
from sslkit.objectives.pair_losses import Debiased, Decoupled, InfoNCE

TAU = 0.3
LOSSES = {
    "InfoNCE": InfoNCE(),
    "DCL": Decoupled(),
    "debiased": Debiased(0.1),
    "HCL": Debiased(0.1, beta=1.0),
    "HCL without correction": Debiased(0.0, beta=0.5),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def in_batch(loss: Any, offset: int = 4) -> tuple[tuple[Tensor, ...], Pairs]:
    """Images 4 to 6 of 9 are local."""
    z1, z2 = normal(9, 5, seed=1), normal(9, 5, seed=2)
    block = z1[offset : offset + 3], z2[offset : offset + 3], z1, z2
    return block, InBatch(TAU, loss)(*block, offset=offset)


@pytest.mark.parametrize("temperature", [TAU, 0.1])
def test_pairs_of_the_batch_have_the_losses_of_the_batch(temperature: float) -> None:
    options: dict[str, Any] = {"temperature": temperature, "offset": 4}
    block, pairs = in_batch(None)
    pairs = pairs.with_(temperature=temperature)
    torch.testing.assert_close(InfoNCE()(pairs), nt_xent_per_anchor(*block, **options))
    torch.testing.assert_close(Decoupled()(pairs), dcl_per_anchor(*block, **options))
    for correction in ({"tau_plus": 0.1}, {"tau_plus": 0.1, "beta": 1.0}, {"tau_plus": 0.0}):
        losses, clamped = Debiased(**correction).with_bound(pairs)
        expected = debiased_nce_per_anchor(*block, **options, **correction)
        torch.testing.assert_close(losses, expected[0])
        assert torch.equal(clamped, expected[1])


def test_pairs_of_a_queue_have_the_losses_of_a_queue() -> None:
    q, k, rows, weight = normal(4, 5), normal(4, 5, seed=1), unit_rows(normal(7, 5, seed=2)), None
    for weight in (None, 1 + normal(4) / 5):
        pairs = Queue(TAU, InfoNCE())(q, k, rows, positive_weight=weight)
        decoupled = queue_dcl_per_anchor(q, k, rows, temperature=TAU, weight=weight)
        torch.testing.assert_close(Decoupled()(pairs), decoupled)
    pairs = Queue(TAU, InfoNCE())(q, k, rows)
    coupled = queue_nce_per_anchor(q, k, rows, temperature=TAU)
    torch.testing.assert_close(InfoNCE()(pairs), coupled)
    torch.testing.assert_close(Debiased(0.0)(pairs), coupled)


def test_pairs_of_the_other_view_have_its_losses() -> None:
    q, k = normal(3, 5), normal(8, 5, seed=1)
    options: dict[str, Any] = {"temperature": TAU, "offset": 2}
    pairs = CrossView(TAU, InfoNCE())(q, k, offset=2)
    torch.testing.assert_close(InfoNCE()(pairs), cross_view_nce_per_anchor(q, k, **options))
    torch.testing.assert_close(
        Decoupled()(pairs), nearest_neighbour_nce_per_anchor(q, k, **options, decoupled=True)
    )


def full(anchors: int = 3) -> Pairs:
    """Pairs with every part."""
    mask = torch.rand(anchors, 6, generator=torch.Generator().manual_seed(0)) < 0.7
    return Pairs(
        query=normal(anchors, 4, seed=1),
        positive=normal(anchors, 2, 4, seed=2),
        bank=normal(6, 4, seed=3),
        temperature=TAU,
        score=InfoNCE(),
        mask=mask,
        positive_weight=normal(anchors, 2, seed=4).exp(),
        log_weight=normal(anchors, 6, seed=5),
        extra=normal(anchors, 2, 4, seed=6),
        extra_cosine=normal(anchors, 3, seed=7),
        extra_log_weight=normal(anchors, 5, seed=8),
    )


def logits(pairs: Pairs, anchor: int) -> tuple[list[float], list[float]]:
    """Of positives and negatives of an anchor, one by one."""
    assert pairs.positive_weight is not None and pairs.mask is not None
    assert pairs.log_weight is not None and pairs.extra_log_weight is not None
    assert pairs.extra is not None and pairs.extra_cosine is not None
    q = pairs.query[anchor]
    positives = [
        float(q @ pairs.positive[anchor, p] / TAU * pairs.positive_weight[anchor, p])
        for p in range(pairs.positive.shape[1])
    ]
    negatives = [
        float(q @ pairs.bank[j] / TAU + pairs.log_weight[anchor, j])
        for j in range(len(pairs.bank))
        if pairs.mask[anchor, j]
    ]
    own = [*(float(q @ row) for row in pairs.extra[anchor]), *pairs.extra_cosine[anchor].tolist()]
    negatives += [
        s / TAU + float(w) for s, w in zip(own, pairs.extra_log_weight[anchor], strict=True)
    ]
    return positives, negatives


@pytest.mark.parametrize("name", ["InfoNCE", "DCL", "debiased"])
def test_all_parts_count_as_in_a_double_loop(name: str) -> None:
    pairs = full()
    for anchor, found in enumerate(LOSSES[name](pairs)):
        positives, negatives = logits(pairs, anchor)
        total = sum(math.exp(x) for x in negatives)
        each = []
        for p in positives:
            if name == "InfoNCE":
                each.append(-math.log(math.exp(p) / (math.exp(p) + total)))
            elif name == "DCL":
                each.append(-p + math.log(total))
            else:
                count = len(negatives)
                bound = count * math.exp(-1 / TAU)
                corrected = max((total - 0.1 * count * math.exp(p)) / 0.9, bound)
                each.append(-math.log(math.exp(p) / (math.exp(p) + corrected)))
        assert float(found) == pytest.approx(sum(each) / 2, rel=1e-9)


@every_loss
def test_gradients_are_those_of_the_loss(loss: Any) -> None:
    pairs = full()
    names = ("query", "positive", "bank", "log_weight", "extra", "extra_cosine", "extra_log_weight")
    parts = [getattr(pairs, name).clone().requires_grad_() for name in names]

    def of(*values: Tensor) -> Tensor:
        return loss(pairs.with_(**dict(zip(names, values, strict=True))))

    assert torch.autograd.gradcheck(of, parts)


@every_loss
@pytest.mark.parametrize("how", ["mask", "weight"])
def test_an_anchor_without_negatives_teaches_nothing(loss: Any, how: str) -> None:
    plain = full().with_(extra=None, extra_cosine=None, extra_log_weight=None)
    assert plain.mask is not None and plain.log_weight is not None
    query, bank = plain.query.clone().requires_grad_(), plain.bank.clone().requires_grad_()
    mask, weight = plain.mask.clone(), plain.log_weight.clone()
    if how == "mask":
        mask[1] = False
    else:
        weight[1] = -torch.inf
    alone = plain.with_(query=query, bank=bank, mask=mask, log_weight=weight)
    losses = loss(alone)
    assert losses[1] == 0
    assert torch.equal(losses[[0, 2]], loss(plain)[[0, 2]])
    losses.sum().backward()
    assert query.grad is not None and bank.grad is not None
    assert query.grad.isfinite().all() and bank.grad.isfinite().all()
    assert not query.grad[1].any() and query.grad[0].any()


@every_loss
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_extreme_logits_stay_finite(loss: Any, scale: float) -> None:
    pairs = full()
    query = (pairs.query * scale).float().requires_grad_()
    parts = {n: v.float() for n, v in vars(pairs).items() if isinstance(v, Tensor) and n != "mask"}
    losses = loss(pairs.with_(**parts | {"query": query}))
    losses.mean().backward()
    assert losses.isfinite().all()
    assert query.grad is not None and query.grad.isfinite().all()


@every_loss
@pytest.mark.parametrize("source", ["batch", "queue"])
def test_mixes_that_are_not_made_yet_count(loss: Any, source: str) -> None:
    mixes = Mixes(
        hardest=3,
        pair=torch.tensor([[[0, 1]], [[1, 2]]]).expand(2, 6, 2),
        pair_weight=torch.full((6, 2), 0.3, dtype=torch.float64),
        query_index=torch.zeros(6, 1, dtype=torch.int64),
        query_weight=torch.full((6, 1), 0.2, dtype=torch.float64),
    )
    pairs = in_batch(loss)[1]
    if source == "queue":
        pairs = Queue(TAU, loss)(normal(6, 5), normal(6, 5, seed=1), unit_rows(normal(7, 5)))
    query = pairs.query.detach().clone().requires_grad_()
    pairs = pairs.with_(query=query, mixes=mixes)
    made = make_mixes(pairs)
    assert made.extra_cosine is not None and made.extra_cosine.shape == (6, 3)
    torch.testing.assert_close(loss(pairs), loss(made))
    gradients = [torch.autograd.grad(loss(x).sum(), query)[0] for x in (pairs, made)]
    torch.testing.assert_close(*gradients)
    assert (loss(pairs) > loss(pairs.with_(mixes=None))).all() or isinstance(loss, Debiased)


@pytest.mark.parametrize("name", ["InfoNCE", "DCL", "debiased"])
def test_with_a_queue_the_logits_are_never_held(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pairs: Pairs) -> list[Tensor]:
        raise AssertionError("the logits were made")

    monkeypatch.setattr(pair_losses, "_negatives", refuse)
    loss = LOSSES[name]
    pairs = Queue(TAU, loss)(normal(6, 5), normal(6, 5, seed=1), unit_rows(normal(7, 5)))
    moved = PositiveExtrapolation()(NegativeInterpolation()(pairs))
    mixed = HardNegativeMixing(hardest=3, pairs=2, query_mixes=2)(moved)
    for given in (pairs, moved, mixed):
        assert loss(given).isfinite().all()
    for needing in (
        pairs.with_(mask=torch.ones(6, 7, dtype=torch.bool)),
        pairs.with_(bank=pairs.bank.clone().requires_grad_()),
    ):
        with pytest.raises(AssertionError, match="logits were made"):
            loss(needing)
