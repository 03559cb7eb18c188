import math

import pytest
import torch
from selected_pairs import HALF, batch_pairs, begun, queue_pairs, rows
from torch import nn

from sslkit.functional import unit_rows
from sslkit.negatives.noise import NoiseNegatives
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import PluginSchedule, Setting
from sslkit.objectives.pair_losses import Debiased, Decoupled, InfoNCE


@pytest.mark.parametrize("per_anchor", [1, 3])
def test_noise_lengthens_the_bank_for_all_anchors(per_anchor: int) -> None:
    for pairs in (batch_pairs(), queue_pairs()):
        n, k = len(pairs.query), len(pairs.bank)
        out = begun(NoiseNegatives(per_anchor=per_anchor))(pairs)
        noise = out.bank[k:]
        assert len(noise) == per_anchor * n and torch.equal(out.bank[:k], pairs.bank)
        torch.testing.assert_close(noise.norm(dim=1), torch.ones_like(noise[:, 0]))
        assert out.log_weight is None
        if pairs.mask is None:
            assert out.mask is None
        else:
            assert torch.equal(out.mask[:, :k], pairs.mask) and out.mask[:, k:].all()
        info = out.bank_info
        assert (info.label[k:] == -1).all() and (info.index[k:] == -1).all()
        assert not info.guide[k:].any() and torch.equal(info.guide[:k], pairs.bank_info.guide)


@pytest.mark.parametrize("loss", [InfoNCE(), Decoupled(), Debiased(0.05)])
def test_the_ascent_raises_the_loss(loss: InfoNCE | Decoupled | Debiased) -> None:
    for pairs in (batch_pairs(), queue_pairs()):
        pairs = pairs.with_(score=loss)
        losses = [
            loss(begun(NoiseNegatives(steps=steps, step_size=0.05))(pairs)).mean().item()
            for steps in (0, 2, 8)
        ]
        assert losses[0] + 1e-4 < losses[1] and losses[1] + 1e-4 < losses[2]


def test_nothing_flows_back_through_the_ascent() -> None:
    for pairs in (batch_pairs(), queue_pairs()):
        out = begun(NoiseNegatives(steps=4, step_size=0.1))(pairs)
        noise = out.bank[len(pairs.bank) :].detach()
        fixed = out.with_(bank=torch.cat([pairs.bank, noise]))
        ours, theirs = (
            torch.autograd.grad(InfoNCE()(p).sum(), pairs.query, retain_graph=True)[0]
            for p in (out, fixed)
        )
        assert torch.equal(ours, theirs) and ours.any()


def test_the_loss_that_is_climbed_sees_every_part_without_a_graph() -> None:
    seen: list[Pairs] = []

    def score(pairs: Pairs) -> torch.Tensor:
        seen.append(pairs)
        return InfoNCE()(pairs)

    pairs = queue_pairs().with_(
        score=score, extra_cosine=rows(4, 2).tanh().requires_grad_(), log_weight=rows(4, 12)
    )
    out = begun(NoiseNegatives(steps=2))(pairs)
    assert len(seen) == 2
    for at in seen:
        assert at.extra_cosine is not None and not at.extra_cosine.requires_grad
        assert not at.query.requires_grad and at.bank.requires_grad
        assert at.log_weight is not None and at.log_weight.shape == (4, 16)
    assert out.extra_cosine is pairs.extra_cosine


def test_the_draws_are_those_of_the_batch() -> None:
    pairs, plugin = queue_pairs(), NoiseNegatives()
    first, second = (begun(plugin, batch=b)(pairs).bank for b in (0, 1))
    assert torch.equal(begun(plugin, batch=0)(pairs).bank, first)
    assert not torch.equal(first[12:], second[12:])
    state = torch.get_rng_state()
    begun(plugin)(pairs)
    assert torch.equal(state, torch.get_rng_state())
    with torch.no_grad():
        assert torch.equal(begun(plugin, batch=0)(pairs).bank, first)


@pytest.mark.parametrize("guide", ["momentum", nn.Identity()])
def test_a_guide_masks_what_is_too_alike_and_no_noise(guide: object) -> None:
    for pairs in (batch_pairs(), queue_pairs()):
        k = len(pairs.bank)
        out = begun(NoiseNegatives(guide=guide, phi=0.3))(pairs)  # type: ignore[arg-type]
        g = unit_rows(pairs.query_info.guide) @ pairs.bank_info.guide.T  # type: ignore[union-attr]
        expected = g <= 0.3 if pairs.mask is None else pairs.mask & (g <= 0.3)
        assert torch.equal(out.mask[:, :k], expected) and not expected.all()
        assert out.mask[:, k:].all()
        # The guide has no say in the ascent.
        assert torch.equal(out.bank, begun(NoiseNegatives())(pairs).bank)


def test_a_ramp_weighs_noise_and_false_negatives() -> None:
    pairs = queue_pairs()
    assert begun(NoiseNegatives(schedule=PluginSchedule(start=1, unit="steps")))(pairs) is pairs
    out = begun(NoiseNegatives(schedule=HALF))(pairs)
    expected = torch.zeros(4, 16, dtype=torch.float64)
    expected[:, 12:] = math.log(0.5)
    torch.testing.assert_close(out.log_weight, expected)
    guided = begun(NoiseNegatives(guide="momentum", phi=0.3, schedule=HALF))(pairs)
    false = pairs.query_info.guide @ pairs.bank_info.guide.T > 0.3  # type: ignore[union-attr]
    expected[:, :12][false] = math.log(0.5)
    torch.testing.assert_close(guided.log_weight, expected)
    assert guided.mask is None


def test_a_momentum_guide_without_a_momentum_encoder_is_refused() -> None:
    setting = Setting("batch", "InfoNCE")
    NoiseNegatives().check(setting)
    NoiseNegatives(guide=nn.Identity()).check(setting)
    with pytest.raises(ValueError, match="NoiseNegatives with guide='momentum' needs a momentum"):
        NoiseNegatives(guide="momentum").check(setting)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_anchor": 0}, "per_anchor must be at least 1"),
        ({"steps": -1}, "steps at least 0"),
        ({"step_size": -0.1}, "step_size must be a finite number"),
        ({"phi": 1.5}, r"phi must lie in \[0, 1\]"),
    ],
)
def test_arguments_outside_their_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoiseNegatives(**options)
