from collections.abc import Callable
from typing import Any

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import extrapolate_positives, interpolate_negatives, unit_rows
from sslkit.negatives import transforms
from sslkit.negatives.pairs import Info, Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Progress, Setting
from sslkit.negatives.transforms import NegativeInterpolation, PositiveExtrapolation

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
BOTH = [PositiveExtrapolation, NegativeInterpolation]


def loss_of(pairs: Pairs) -> Tensor:
    """InfoNCE of one positive, written out; (N,)."""
    positive = (pairs.query * pairs.positive[:, 0]).sum(1, keepdim=True)
    logits = torch.cat([positive, pairs.query @ pairs.bank.T], 1) / pairs.temperature
    return logits.logsumexp(1) - logits[:, 0]


def some_pairs(n: int = 5, k: int = 12, d: int = 6, p: int = 1, **parts: Any) -> Pairs:
    generator = torch.Generator().manual_seed(4)
    rows = unit_rows(torch.randn(n + p * n + k, d, generator=generator, dtype=torch.float64))
    query, positive, bank = rows.split([n, p * n, k])
    return Pairs(
        query.clone().requires_grad_(), positive.view(n, p, d), bank, 0.2, loss_of, **parts
    )


def fixed(value: Tensor) -> Callable[..., Tensor]:
    """In the place of the draws: this value, which must have the shape that is asked for."""

    def draw(_: float, shape: tuple[int, ...], **__: object) -> Tensor:
        assert shape == value.shape
        return value

    return draw


@pytest.mark.parametrize("name", oracle.case_names("negatives", "ft."))
def test_equals_the_authors_code_with_its_draws(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = oracle.case("negatives", name)
    raw, out = case.inputs["q"].requires_grad_(), case.outputs
    positive, queue = unit_rows(case.inputs["k"])[:, None], case.inputs["queue"]
    pairs = Pairs(unit_rows(raw), positive, queue, case.params["temperature"], loss_of)
    kept = queue.clone()
    if "beta_pos" in out:
        monkeypatch.setattr(transforms, "symmetric_beta", fixed(out["beta_pos"]))
        pairs = PositiveExtrapolation()(pairs)
    if "perm" in out:
        scalar = "beta_neg" in out
        drawn = out["beta_neg"] if scalar else out["beta_draw"].float()
        monkeypatch.setattr(transforms, "symmetric_beta", fixed(drawn))
        monkeypatch.setattr(torch, "randperm", lambda *_, **__: out["perm"])
        pairs = NegativeInterpolation(elementwise=not scalar)(pairs)
    loss = loss_of(pairs).mean()
    loss.backward()
    # The reference's coefficients of every element are in float32.
    close = {"rtol": 1e-6, "atol": 1e-6} if "beta_draw" in out else CLOSE
    torch.testing.assert_close(loss.detach(), out["loss"], **close)
    torch.testing.assert_close(raw.grad, out["grad_q"], **close)
    assert torch.equal(queue, kept)


def test_the_scores_identity_and_the_negatives_anchor() -> None:
    pairs = some_pairs()
    s = (pairs.query * pairs.positive[:, 0]).sum(1)
    out = PositiveExtrapolation(per="sample")(pairs)
    # λ is read off the anchors, then checked on the scores.
    lam = 1 + (out.query - pairs.query).norm(dim=1) / (pairs.query - pairs.positive[:, 0]).norm(
        dim=1
    )
    assert (lam > 1).all() and (lam < 2).all() and lam.std() > 0.01
    score = (out.query * out.positive[:, 0]).sum(1)
    torch.testing.assert_close(score, s + 2 * lam * (1 - lam) * (1 - s), **CLOSE)
    assert out.bank is pairs.bank


def test_a_positive_that_has_been_reached_stays() -> None:
    pairs = some_pairs()
    out = PositiveExtrapolation()(pairs.with_(positive=pairs.query[:, None]))
    torch.testing.assert_close(out.query, pairs.query, **CLOSE)
    torch.testing.assert_close(out.positive[:, 0], pairs.query, **CLOSE)


def test_the_anchor_inside_the_positive_gets_gradient() -> None:
    pairs = some_pairs()
    out = PositiveExtrapolation()(pairs)
    whole, detached = (
        torch.autograd.grad(loss_of(p).sum(), pairs.query, retain_graph=True)[0]
        for p in (out, out.with_(positive=out.positive.detach()))
    )
    assert (whole - detached).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, ()),
        ({"per": "sample"}, (None, 1)),
        ({"elementwise": True}, (None, 6)),
        ({"elementwise": True, "per": "sample"}, (None, 6)),
        ({"elementwise": True, "per": "batch"}, (1, 6)),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_coefficients_have_the_shape_asked_for(
    kind: type[Plugin],
    arguments: dict[str, Any],
    shape: tuple[int | None, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = some_pairs()
    rows = 5 if kind is PositiveExtrapolation else 12
    drawn = torch.rand([rows if size is None else size for size in shape], dtype=torch.float64)
    monkeypatch.setattr(transforms, "symmetric_beta", fixed(drawn))
    out = kind(**arguments)(pairs)
    if kind is PositiveExtrapolation:
        query, positive = extrapolate_positives(pairs.query, pairs.positive[:, 0], 1 + drawn)
        torch.testing.assert_close(out.query, query, **CLOSE)
        torch.testing.assert_close(out.positive[:, 0], positive, **CLOSE)
    else:
        full = drawn.expand(12, 6)
        partner = (out.bank - full * pairs.bank) / (1 - full)
        nearest = (partner[:, None] - pairs.bank).norm(dim=2)
        assert nearest.min(1).values.max() < 1e-9
        assert nearest.argmin(1).sort().values.tolist() == list(range(12))


def test_several_positives_move_an_anchor_away_from_their_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = some_pairs(p=3)
    monkeypatch.setattr(transforms, "symmetric_beta", fixed(torch.tensor(0.4).double()))
    out = PositiveExtrapolation()(pairs)
    expected, _ = extrapolate_positives(pairs.query, pairs.positive.mean(1), 1.4)
    torch.testing.assert_close(out.query, expected, rtol=1e-6, atol=1e-7)
    for p in range(3):
        _, key = extrapolate_positives(pairs.query, pairs.positive[:, p], 1.4)
        torch.testing.assert_close(out.positive[:, p], key, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", BOTH)
def test_lengths_are_kept_or_brought_back(kind: type[Plugin]) -> None:
    pairs = some_pairs()
    for renormalise in (False, True):
        out = kind(renormalise=renormalise)(pairs)
        parts = (out.query, out.positive[:, 0]) if kind is PositiveExtrapolation else (out.bank,)
        for part in parts:
            off = (part.norm(dim=1) - 1).abs().max()
            assert off < 1e-12 if renormalise else off > 0.05


@pytest.mark.parametrize("kind", BOTH)
def test_strength_zero_returns_the_very_pairs(kind: type[Plugin]) -> None:
    pairs = some_pairs()
    plugin = kind(schedule=PluginSchedule(start=2))
    plugin.begin(Progress(step=5, steps_per_epoch=3), 0)
    assert plugin(pairs) is pairs
    plugin.begin(Progress(step=6, steps_per_epoch=3), 0)
    assert plugin(pairs) is not pairs


@pytest.mark.parametrize("kind", BOTH)
def test_a_ramp_moves_coefficients_from_one_to_their_draw(kind: type[Plugin]) -> None:
    pairs, moves = some_pairs(), []
    plugin = kind(schedule=PluginSchedule(ramp=4, unit="steps"))
    for step in range(4):
        plugin.begin(Progress(step=step, batch=7), 0)
        out = plugin(pairs)
        moves.append(torch.cat([out.query - pairs.query, out.bank - pairs.bank]).detach())
    assert moves[3].abs().max() > 0.05
    for step, move in enumerate(moves):
        torch.testing.assert_close(move, (step + 1) / 4 * moves[3], **CLOSE)


def test_a_mixed_row_is_a_negative_only_where_both_parts_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(5, 12, generator=generator) < 0.7
    weight = torch.randn(5, 12, generator=generator, dtype=torch.float64)
    order = torch.randperm(12, generator=generator)
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: order)
    out = NegativeInterpolation()(some_pairs(mask=mask, log_weight=weight))
    assert out.mask is not None and out.log_weight is not None
    for i in range(5):
        for j, partner in enumerate(order.tolist()):
            assert out.mask[i, j] == (mask[i, j] and mask[i, partner])
            assert out.log_weight[i, j] == min(weight[i, j], weight[i, partner])
    assert NegativeInterpolation()(some_pairs()).mask is None


def test_what_is_known_of_a_mixed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    order = torch.tensor([1, 2, 0, 3])
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: order)
    guide = unit_rows(torch.eye(4, 3, dtype=torch.float64) + 0.1)
    info = Info(torch.tensor([7, 7, -1, 5]), torch.arange(4), guide)
    for arguments, drawn in (
        ({}, torch.tensor(0.3)),
        ({"per": "sample"}, torch.full((4, 1), 0.3)),
        ({"elementwise": True}, torch.full((4, 6), 0.3)),
    ):
        monkeypatch.setattr(transforms, "symmetric_beta", fixed(drawn.double()))
        known = NegativeInterpolation(**arguments)(some_pairs(k=4, bank_info=info)).bank_info
        assert known is not None and known.guide is not None
        assert known.label.tolist() == [7, -1, -1, 5]
        assert known.index.tolist() == [-1, -1, -1, 3]
        expected = unit_rows(interpolate_negatives(guide, order, 0.3))
        torch.testing.assert_close(known.guide, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", BOTH)
def test_draws_are_a_function_of_batch_rank_and_place(kind: type[Plugin]) -> None:
    pairs, plugin = some_pairs(), kind()

    def result(position: int = 0, **at: int) -> Tensor:
        plugin.begin(Progress(**at), position)
        out = plugin(pairs)
        return torch.cat([out.query, out.bank]).detach()

    first = result(batch=3)
    torch.manual_seed(99)
    assert torch.equal(first, result(batch=3))
    for other in (result(batch=4), result(batch=3, rank=1), result(1, batch=3)):
        assert not torch.equal(first, other)


def test_gradient_reaches_a_bank_of_the_batch() -> None:
    pairs = some_pairs()
    bank = pairs.bank.clone().requires_grad_()
    out = NegativeInterpolation()(pairs.with_(bank=bank))
    (slope,) = torch.autograd.grad(out.bank.sum(), bank)
    torch.testing.assert_close(slope, torch.ones_like(bank), **CLOSE)


@pytest.mark.parametrize("kind", BOTH)
def test_arguments_are_checked(kind: type[Plugin]) -> None:
    for alpha in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"alpha must be a finite number above 0, got {alpha}"):
            kind(alpha=alpha)
    with pytest.raises(ValueError, match=r"per must be batch .* or sample .*, got 'row'"):
        kind(per="row")


def test_a_batch_that_mixing_can_leave_without_negatives_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of the 2 negatives .* at least 3 images"):
        NegativeInterpolation().check(Setting("batch", "InfoNCE", negatives=2))
    for setting in (
        Setting("batch", "DCL", negatives=4),
        Setting("batch", "DCL"),
        Setting("queue", "DCL", negatives=2),
    ):
        NegativeInterpolation().check(setting)
        PositiveExtrapolation().check(setting)
