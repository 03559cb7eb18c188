import math
from typing import Any

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import mix_pairs, mix_queries, queue_nce, unit_rows
from sslkit.negatives.mixing import HardNegativeMixing, make_mixes
from sslkit.negatives.pairs import Mixes, Pairs
from sslkit.negatives.plugin import PluginSchedule, Progress, Setting

CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def loss_of(pairs: Pairs) -> Tensor:
    """InfoNCE of one positive, written out; (N,)."""
    positive = (pairs.query * pairs.positive[:, 0]).sum(1, keepdim=True)
    bank = pairs.query @ pairs.bank.T
    if pairs.mask is not None:
        bank = bank.masked_fill(~pairs.mask, -torch.inf)
    parts = [positive / pairs.temperature, bank / pairs.temperature]
    if pairs.extra_cosine is not None:
        extra = pairs.extra_cosine / pairs.temperature
        parts.append(extra if pairs.extra_log_weight is None else extra + pairs.extra_log_weight)
    return torch.cat(parts, 1).logsumexp(1) - parts[0][:, 0]


def some_pairs(n: int = 6, k: int = 40, d: int = 8, **parts: Any) -> Pairs:
    generator = torch.Generator().manual_seed(2)
    rows = unit_rows(torch.randn(2 * n + k, d, generator=generator, dtype=torch.float64))
    query, positive, bank = rows[:n].clone(), rows[n : 2 * n], rows[2 * n :]
    return Pairs(query.requires_grad_(), positive[:, None], bank, 0.2, loss_of, **parts)


def drawn(before: Pairs, **arguments: int) -> tuple[Pairs, Mixes]:
    out = HardNegativeMixing(**{"hardest": 5, "pairs": 7, "query_mixes": 4} | arguments)(before)
    assert out.mixes is not None
    return out, out.mixes


def hardest_by_loop(pairs: Pairs, i: int, h: int) -> list[int]:
    """An anchor's hardest negatives, from the hardest on."""
    scores = (pairs.bank @ pairs.query[i].detach()).tolist()
    allowed = [j for j in range(len(scores)) if pairs.mask is None or pairs.mask[i, j]]
    return sorted(allowed, key=lambda j: -scores[j])[:h]


@pytest.mark.parametrize("name", oracle.case_names("negatives", "mochi."))
def test_equals_the_reference_with_its_draws(name: str) -> None:
    case = oracle.case("negatives", name)
    raw, out = case.inputs["q"].requires_grad_(), case.outputs
    q, bank = unit_rows(raw), case.inputs["queue"]
    n, temperature, h = len(q), case.params["temperature"], case.params["N"]
    # The reference's columns count its own, unordered list of the hardest.
    rank = (q @ bank.T).detach().argsort(descending=True).argsort()
    column = rank.gather(1, out["hard_idx"])
    none, empty = torch.empty(n, 0, dtype=torch.int64), torch.empty(n, 0, dtype=torch.float64)
    if "pair_idx" in out:
        ends = torch.stack([column.gather(1, end) for end in out["pair_idx"]])
        mixes = Mixes(h, ends, out["alpha"].squeeze(-1), none, empty)
    else:
        towards = column.gather(1, out["query_idx"])
        mixes = Mixes(h, torch.stack([none, none]), empty, towards, out["beta_raw"].squeeze(-1) / 2)
    positive = unit_rows(case.inputs["k"])[:, None]
    made = make_mixes(Pairs(q, positive, bank, temperature, loss_of, mixes=mixes))
    loss = loss_of(made).mean()
    loss.backward()
    assert made.mixes is None and made.extra_cosine is not None
    expected = out["logits"][:, 1 + len(bank) :] * temperature
    torch.testing.assert_close(made.extra_cosine.detach(), expected, **CLOSE)
    torch.testing.assert_close(loss.detach(), out["loss"], **CLOSE)
    torch.testing.assert_close(raw.grad, out["grad_q"], **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_made_mixes_equal_the_double_loop_in_value_and_gradient(masked: bool) -> None:
    mask = torch.rand(6, 40, generator=torch.Generator().manual_seed(0)) < 0.6 if masked else None
    pairs, mixes = drawn(some_pairs(mask=mask))
    made = make_mixes(pairs).extra_cosine
    assert made is not None and made.shape == (6, 7 + 4)
    slope = torch.sin(torch.arange(made.numel())).view_as(made).double()
    (found,) = torch.autograd.grad((made * slope).sum(), pairs.query)
    gradient = torch.zeros_like(found)
    for i in range(6):
        hard = hardest_by_loop(pairs, i, 5)
        q = pairs.query[i].detach()
        vectors = []
        for s in range(7):
            first, second = (pairs.bank[hard[int(mixes.pair[e, i, s])]] for e in (0, 1))
            share = mixes.pair_weight[i, s]
            vectors.append(share * first + (1 - share) * second)
        for s in range(4):
            share = mixes.query_weight[i, s]
            negative = pairs.bank[hard[int(mixes.query_index[i, s])]]
            vectors.append(share * q + (1 - share) * negative)
        for s, vector in enumerate(vectors):
            vector = vector / vector.norm()
            assert made[i, s].item() == pytest.approx((q @ vector).item(), abs=1e-12)
            gradient[i] += slope[i, s] * vector
    torch.testing.assert_close(found, gradient, **CLOSE)


def test_draws_keep_to_their_ranges() -> None:
    _, mixes = drawn(some_pairs(), hardest=5, pairs=4000, query_mixes=4000)
    assert mixes.hardest == 5
    assert (mixes.pair[0] != mixes.pair[1]).all()
    for column in (mixes.pair[0], mixes.pair[1], mixes.query_index):
        assert column.dtype == torch.int64
        assert [row.unique().tolist() for row in column] == [[0, 1, 2, 3, 4]] * 6
    assert mixes.pair_weight.min() >= 0 and mixes.pair_weight.max() < 1
    assert mixes.pair_weight.mean().item() == pytest.approx(0.5, abs=0.01)
    assert mixes.query_weight.min() >= 0 and mixes.query_weight.max() < 0.5
    assert mixes.query_weight.mean().item() == pytest.approx(0.25, abs=0.005)


def test_mixes_do_not_come_from_another_anchors_negatives() -> None:
    # Anchors 0 and 1 point apart and have two negatives each, all the other's easiest.
    query = torch.tensor([[1.0, 0, 0], [-1, 0, 0]], dtype=torch.float64)
    rows = [[0.9, 0.3, 0], [0.8, 0, 0.5], [-0.9, 0.3, 0], [-0.8, 0, 0.5]]
    bank = unit_rows(torch.tensor(rows, dtype=torch.float64))
    pairs = Pairs(query, query[:, None], bank, 0.2, loss_of)
    made = make_mixes(HardNegativeMixing(hardest=2, pairs=50, query_mixes=50)(pairs))
    assert made.extra_cosine is not None and made.extra_cosine.min() > 0.8


def test_a_long_masked_bank_is_searched_in_groups() -> None:
    # Long enough for the search by groups; anchor 0 has fewer negatives than are asked for.
    mask = torch.rand(6, 400, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[0, 3:] = False
    pairs, mixes = drawn(some_pairs(k=400, mask=mask), pairs=60, query_mixes=0)
    made = make_mixes(pairs).extra_cosine
    assert made is not None
    for i in range(6):
        rows = pairs.bank[hardest_by_loop(pairs, i, 5)]
        share = mixes.pair_weight[i, :, None]
        first, second = (rows[end[i]] for end in mixes.pair)
        vectors = unit_rows(share * first + (1 - share) * second)
        torch.testing.assert_close(made[i].detach(), vectors @ pairs.query[i].detach(), **CLOSE)


def test_the_loss_is_never_less_than_without_mixes() -> None:
    pairs = some_pairs()
    plain = queue_nce(pairs.query, pairs.positive[:, 0], pairs.bank, temperature=0.2)
    torch.testing.assert_close(loss_of(pairs).mean(), plain, **CLOSE)
    assert (loss_of(make_mixes(drawn(pairs)[0])) > loss_of(pairs)).all()


def test_the_bank_gets_no_gradient_through_mixes() -> None:
    pairs = some_pairs()
    bank = pairs.bank.clone().requires_grad_()
    made = make_mixes(drawn(pairs.with_(bank=bank))[0]).extra_cosine
    assert made is not None
    found = torch.autograd.grad(made.sum(), (bank, pairs.query), allow_unused=True)
    assert found[0] is None and found[1].abs().max() > 0.1


def test_anchors_a_few_at_a_time_are_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.ones(6, 40, dtype=torch.bool).tril(34)
    pairs, _ = drawn(some_pairs(mask=mask))
    whole = make_mixes(pairs).extra_cosine
    monkeypatch.setattr("sslkit.negatives.mixing._SCORES", 90)
    parts = make_mixes(pairs).extra_cosine
    assert whole is not None and parts is not None
    torch.testing.assert_close(whole, parts, **CLOSE)
    slopes = [torch.autograd.grad(x.square().sum(), pairs.query)[0] for x in (whole, parts)]
    torch.testing.assert_close(*slopes, **CLOSE)


def test_anchors_with_few_negatives_mix_those_or_none() -> None:
    mask = torch.zeros(4, 40, dtype=torch.bool)
    mask[0, :3] = True
    mask[1, :2] = True
    mask[2, 7] = True
    pairs, mixes = drawn(some_pairs(n=4, mask=mask), pairs=300, query_mixes=300)
    assert mixes.pair[:, 0].max() == 2 and mixes.pair[:, 1].max() == 1
    assert (mixes.pair[0, :2] != mixes.pair[1, :2]).all()
    made = make_mixes(pairs)
    cosine, weight = made.extra_cosine, made.extra_log_weight
    assert cosine is not None and weight is not None and not weight.requires_grad
    assert cosine.isfinite().all()
    # The hardest possible mix of own negatives; a masked row could be harder.
    best = pairs.query[0].detach() @ pairs.bank[:3].T
    assert cosine[0, :300].max() <= best.max() + 0.3
    expected = torch.zeros(4, 600, dtype=torch.float64)
    expected[2:, :300], expected[3, 300:] = -math.inf, -math.inf
    assert torch.equal(weight, expected)
    loss = loss_of(made)
    (slope,) = torch.autograd.grad(loss.sum(), pairs.query)
    assert loss.isfinite().all() and slope.isfinite().all()
    assert loss[3].item() == pytest.approx(0, abs=1e-12)


def test_a_bank_of_fewer_rows_than_hardest() -> None:
    for k, finite in ((3, [True, True]), (2, [True, True]), (1, [False, True])):
        pairs, _ = drawn(some_pairs(k=k), hardest=1024, pairs=10, query_mixes=10)
        made = make_mixes(pairs)
        assert made.extra_cosine is not None and made.extra_cosine.isfinite().all()
        weight = made.extra_log_weight
        if k > 1:
            assert weight is None
        else:
            assert weight is not None
            kinds = [part.isfinite().all().item() for part in weight.split(10, dim=1)]
            assert kinds == finite


def test_no_mixes_or_no_strength_returns_the_very_pairs() -> None:
    pairs = some_pairs()
    assert HardNegativeMixing(pairs=0, query_mixes=0)(pairs) is pairs
    plugin = HardNegativeMixing(schedule=PluginSchedule(start=10))
    plugin.begin(Progress(step=99, steps_per_epoch=10), 0)
    assert plugin(pairs) is pairs
    plugin.begin(Progress(step=100, steps_per_epoch=10), 0)
    assert plugin(pairs) is not pairs
    assert make_mixes(pairs) is pairs


@pytest.mark.parametrize(("s", "towards"), [(0, 4), (7, 0)])
def test_one_kind_of_mixes_alone(s: int, towards: int) -> None:
    pairs, mixes = drawn(some_pairs(), pairs=s, query_mixes=towards)
    assert mixes.pair.shape == (2, 6, s) and mixes.query_weight.shape == (6, towards)
    made = make_mixes(pairs)
    assert made.extra_cosine is not None and made.extra_cosine.shape == (6, s + towards)


def test_a_ramp_adds_the_logarithm_of_its_strength() -> None:
    pairs = some_pairs()
    plugin = HardNegativeMixing(
        hardest=5, pairs=7, query_mixes=4, schedule=PluginSchedule(ramp=4, unit="steps")
    )
    plugin.begin(Progress(step=0, batch=8), 0)
    ramped = plugin(pairs)
    assert ramped.mixes is None and ramped.extra_log_weight is not None
    assert (ramped.extra_log_weight == math.log(0.25)).all()
    plugin.begin(Progress(step=4, batch=8), 0)
    full = make_mixes(plugin(pairs))
    assert full.extra_log_weight is None
    torch.testing.assert_close(ramped.extra_cosine, full.extra_cosine, **CLOSE)
    assert (loss_of(ramped) < loss_of(full)).all() and (loss_of(ramped) > loss_of(pairs)).all()


def test_mixes_are_appended_to_the_extras_at_hand() -> None:
    extra = torch.zeros(6, 2, 8, dtype=torch.float64)
    cosine = torch.full((6, 3), 0.5, dtype=torch.float64)
    weight = torch.arange(30.0, dtype=torch.float64).view(6, 5)
    pairs, _ = drawn(some_pairs(extra=extra, extra_cosine=cosine, extra_log_weight=weight))
    made = make_mixes(pairs)
    assert made.extra is extra and made.extra_cosine is not None
    assert torch.equal(made.extra_cosine[:, :3], cosine) and made.extra_cosine.shape == (6, 14)
    assert made.extra_log_weight is not None and made.extra_log_weight.shape == (6, 16)
    assert torch.equal(made.extra_log_weight[:, :5], weight)
    assert (made.extra_log_weight[:, 5:] == 0).all()
    # Without weights so far, those at hand get a weight of one beside a ramp's.
    plugin = HardNegativeMixing(
        hardest=5, pairs=1, query_mixes=1, schedule=PluginSchedule(ramp=2, unit="steps")
    )
    plugin.begin(Progress(step=0), 0)
    ramped = plugin(pairs.with_(mixes=None, extra_log_weight=None)).extra_log_weight
    assert ramped is not None and ramped[0].tolist() == [0] * 5 + [math.log(0.5)] * 2


def test_two_of_a_kind_mix_differently_and_both_count() -> None:
    pairs = some_pairs()
    first, second = (HardNegativeMixing(hardest=5, pairs=7, query_mixes=4) for _ in range(2))
    first.begin(Progress(), 0)
    second.begin(Progress(), 1)
    once = make_mixes(first(pairs)).extra_cosine
    both = make_mixes(second(first(pairs))).extra_cosine
    assert once is not None and both is not None and both.shape == (6, 22)
    assert torch.equal(both[:, :11], once) and not torch.equal(both[:, 11:], once)


def test_draws_are_a_function_of_batch_rank_and_place() -> None:
    pairs, plugin = some_pairs(), HardNegativeMixing(hardest=5, pairs=7, query_mixes=4)

    def draws(position: int = 0, **at: int) -> tuple[Tensor, ...]:
        plugin.begin(Progress(**at), position)
        mixes = plugin(pairs).mixes
        assert mixes is not None
        return mixes.pair, mixes.pair_weight, mixes.query_index, mixes.query_weight

    first = draws(batch=3)
    torch.manual_seed(99)
    assert all(torch.equal(a, b) for a, b in zip(first, draws(batch=3), strict=True))
    for other in (draws(batch=4), draws(batch=3, rank=1), draws(1, batch=3)):
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_vectors_of_any_length_are_mixed_as_they_are() -> None:
    pairs = some_pairs()
    pairs = pairs.with_(
        query=1.5 * pairs.query, bank=pairs.bank * torch.linspace(0.5, 1, 40)[:, None]
    )
    pairs, mixes = drawn(pairs)
    made = make_mixes(pairs).extra_cosine
    hard = (pairs.query @ pairs.bank.T).topk(5).indices
    vectors = torch.cat(
        [
            mix_pairs(pairs.bank, hard, mixes.pair, mixes.pair_weight),
            mix_queries(pairs.query, pairs.bank, hard, mixes.query_index, mixes.query_weight),
        ],
        dim=1,
    )
    torch.testing.assert_close(made, torch.einsum("nd,nsd->ns", pairs.query, vectors), **CLOSE)


def test_float32_agrees_with_float64() -> None:
    pairs, mixes = drawn(some_pairs())
    single = pairs.with_(
        query=pairs.query.float(),
        bank=pairs.bank.float(),
        mixes=Mixes(
            5, mixes.pair, mixes.pair_weight.float(), mixes.query_index, mixes.query_weight.float()
        ),
    )
    made = make_mixes(single).extra_cosine
    assert made is not None and made.dtype == torch.float32
    torch.testing.assert_close(made.double(), make_mixes(pairs).extra_cosine, rtol=1e-5, atol=1e-6)


def test_autocast_is_kept_out() -> None:
    pairs = drawn(some_pairs())[0]
    single = pairs.with_(query=pairs.query.detach().float(), bank=pairs.bank.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = make_mixes(single).extra_cosine
    torch.testing.assert_close(inside, make_mixes(single).extra_cosine, rtol=0, atol=0)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="hardest must be at least 2, got 1"):
        HardNegativeMixing(hardest=1)
    with pytest.raises(ValueError, match="pairs must be 0 or more, got -1"):
        HardNegativeMixing(pairs=-1)
    with pytest.raises(ValueError, match="query_mixes must be 0 or more, got -2"):
        HardNegativeMixing(query_mixes=-2)
    with pytest.raises(ValueError, match=r"each anchor has 1 here.*larger batch or queue"):
        HardNegativeMixing().check(Setting("batch", "InfoNCE", negatives=1))
    HardNegativeMixing().check(Setting("queue", "DCL", negatives=2))
    HardNegativeMixing().check(Setting("batch", "debiased"))
    HardNegativeMixing(pairs=0).check(Setting("batch", "InfoNCE", negatives=1))
