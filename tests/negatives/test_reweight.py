import math

import pytest
import torch
from selected_pairs import HALF, batch_pairs, begun, queue_pairs, rows
from torch import Tensor

from sslkit.functional import debiased_nce
from sslkit.negatives.masks import HardNegativeFilter
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import PluginSchedule, Setting
from sslkit.negatives.reweight import ReweightNegatives
from sslkit.negatives.sources import InBatch
from sslkit.objectives.pair_losses import Debiased, Decoupled, InfoNCE

CLOSE = {"rtol": 1e-11, "atol": 1e-13}


def raw() -> tuple[Tensor, Tensor]:
    z1 = rows(5)
    return z1.requires_grad_(), (z1.detach() + rows(5, seed=1)).requires_grad_()


@pytest.mark.parametrize("beta", [0.5, 2.0])
@pytest.mark.parametrize("tau_plus", [0.0, 0.1])
def test_it_is_the_beta_of_the_debiased_loss(beta: float, tau_plus: float) -> None:
    z1, z2 = raw()
    expected = debiased_nce(z1, z2, temperature=0.5, tau_plus=tau_plus, beta=beta)
    gradients = torch.autograd.grad(expected, (z1, z2))
    loss = InfoNCE() if tau_plus == 0 else Debiased(tau_plus)
    pairs = InBatch(0.5, loss)(z1, z2, z1, z2, offset=0)
    found = loss(ReweightNegatives(beta=beta)(pairs)).mean()
    torch.testing.assert_close(found, expected, **CLOSE)
    for ours, theirs in zip(torch.autograd.grad(found, (z1, z2)), gradients, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)
    plain = loss(pairs).mean()
    assert abs(plain - expected) > 1e-3


def own_negatives(pairs: Pairs) -> Pairs:
    n, d = pairs.query.shape
    return pairs.with_(
        extra=torch.nn.functional.normalize(rows(3 * n, d, seed=7), dim=1).view(n, 3, d),
        extra_cosine=rows(n, 2, seed=8).tanh(),
    )


@pytest.mark.parametrize("masked", [False, True])
def test_negatives_of_an_anchors_own_share_in_the_weights(masked: bool) -> None:
    pairs = own_negatives(batch_pairs() if masked else queue_pairs())
    out = ReweightNegatives(beta=1.5)(pairs)
    assert out.log_weight is not None and out.extra_log_weight is not None
    for i in range(len(pairs.query)):
        q = pairs.query[i].detach()
        among = torch.ones(len(pairs.bank), dtype=torch.bool)
        among = among if pairs.mask is None else pairs.mask[i]
        scores = [float(q @ row) for row in pairs.bank[among].detach()]
        scores += [float(q @ row) for row in pairs.extra[i]]  # pyright: ignore[reportOptionalSubscript]
        scores += pairs.extra_cosine[i].tolist()  # pyright: ignore[reportOptionalSubscript]
        powers = [math.exp(1.5 * s / pairs.temperature) for s in scores]
        expected = torch.tensor(powers, dtype=torch.float64) * len(powers) / sum(powers)
        found = torch.cat([out.log_weight[i][among], out.extra_log_weight[i]]).exp()
        torch.testing.assert_close(found, expected, **CLOSE)


def test_weights_that_are_there_multiply() -> None:
    pairs = own_negatives(queue_pairs())
    once = ReweightNegatives(beta=1.0)(pairs)
    shift, own = rows(4, 12, seed=3), rows(4, 5, seed=4)
    both = ReweightNegatives(beta=1.0)(pairs.with_(log_weight=shift, extra_log_weight=own))
    assert once.log_weight is not None and once.extra_log_weight is not None
    torch.testing.assert_close(both.log_weight, once.log_weight + shift)
    torch.testing.assert_close(both.extra_log_weight, once.extra_log_weight + own)


@pytest.mark.parametrize("loss", [InfoNCE(), Decoupled(), Debiased(0.1)])
def test_an_anchor_without_negatives_does_no_harm(loss: InfoNCE | Decoupled | Debiased) -> None:
    pairs = batch_pairs()
    assert pairs.mask is not None
    mask = pairs.mask.clone()
    mask[0] = False
    out = loss(ReweightNegatives(beta=2.0)(pairs.with_(mask=mask)))
    (gradient,) = torch.autograd.grad(out.sum(), pairs.query)
    assert out.isfinite().all() and gradient.isfinite().all()


def test_a_beta_of_zero_changes_nothing_and_a_ramp_scales_it() -> None:
    pairs = queue_pairs()
    assert ReweightNegatives(beta=0.0)(pairs) is pairs
    later = begun(ReweightNegatives(schedule=PluginSchedule(start=5, unit="steps")))
    assert later(pairs) is pairs
    half = begun(ReweightNegatives(beta=2.0, schedule=HALF))(pairs)
    assert torch.equal(half.log_weight, ReweightNegatives(beta=1.0)(pairs).log_weight)


def test_after_a_filter_only_what_is_left_is_weighed() -> None:
    pairs = HardNegativeFilter(keep=3)(queue_pairs())
    out = ReweightNegatives(beta=1.0)(pairs)
    assert out.log_weight is not None and pairs.mask is not None
    weights = out.log_weight.exp().masked_fill(~pairs.mask, 0)
    torch.testing.assert_close(weights.sum(1), torch.full((4,), 3.0, dtype=torch.float64))


def test_a_loss_that_reweights_by_itself_is_refused() -> None:
    ReweightNegatives(beta=1.0).check(Setting("batch", "debiased"))
    with pytest.raises(ValueError, match=r"own beta=0.5 would weigh the negatives twice: set"):
        ReweightNegatives(beta=1.0).check(Setting("batch", "debiased", beta=0.5))


@pytest.mark.parametrize("beta", [-0.5, math.inf])
def test_a_beta_outside_its_range_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be a finite number of at least 0"):
        ReweightNegatives(beta=beta)
