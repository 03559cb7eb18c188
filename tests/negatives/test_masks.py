import math
import warnings
from typing import Any

import pytest
import torch
from selected_pairs import HALF, batch_pairs, begun, queue_pairs
from torch import nn

from sslkit.negatives.masks import FalseNegativeMask, HardNegativeFilter
from sslkit.negatives.pairs import Info, Pairs
from sslkit.negatives.plugin import PluginSchedule, Setting

LATER = PluginSchedule(start=5, unit="steps")
BATCH, QUEUE = Setting("batch", "InfoNCE"), Setting("queue", "InfoNCE", momentum=True)


def hardest(pairs: Pairs, counts: list[int]) -> torch.Tensor:
    """The mask, one anchor and one row at a time."""
    scores = (pairs.query @ pairs.bank.T).tolist()
    expected = torch.zeros(len(pairs.query), len(pairs.bank), dtype=torch.bool)
    for i, row in enumerate(scores):
        among = [j for j in range(len(row)) if pairs.mask is None or pairs.mask[i, j]]
        expected[i, sorted(among, key=lambda j: -row[j])[: counts[i]]] = True
    return expected


# --- HardNegativeFilter ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "of_batch", "of_queue"),
    [(3, 3, 3), (1, 1, 1), (0.25, 2, 3), (0.01, 1, 1), (0.5, 4, 6)],
)
def test_only_the_hardest_stay(keep: int | float, of_batch: int, of_queue: int) -> None:
    for pairs, left in ((batch_pairs(), of_batch), (queue_pairs(), of_queue)):
        out = HardNegativeFilter(keep=keep)(pairs)
        assert out.mask is not None
        assert torch.equal(out.mask, hardest(pairs, [left] * len(pairs.query)))
        assert out.with_(mask=pairs.mask) == pairs  # nothing else has changed


def test_a_share_is_of_each_anchors_own_negatives() -> None:
    pairs = batch_pairs()
    assert pairs.mask is not None
    thinned = pairs.mask.clone()
    thinned[0] &= torch.arange(10) > 4
    pairs = pairs.with_(mask=thinned)
    counts = [max(round(0.5 * c), 1) for c in thinned.sum(1).tolist()]
    assert counts[0] < counts[1]
    out = HardNegativeFilter(keep=0.5)(pairs)
    assert out.mask is not None and torch.equal(out.mask, hardest(pairs, counts))


@pytest.mark.parametrize("keep", [12, 50, 1.0])
def test_keeping_all_changes_nothing(keep: int | float) -> None:
    pairs = queue_pairs()
    assert HardNegativeFilter(keep=keep)(pairs) is pairs
    batch = batch_pairs()
    assert HardNegativeFilter(keep=keep)(batch) is batch


def test_a_number_that_takes_nothing_away_is_said_once() -> None:
    plugin, pairs = HardNegativeFilter(keep=12), queue_pairs()
    with pytest.warns(UserWarning, match=r"keep=12\) changes nothing: there are 12 rows"):
        plugin(pairs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plugin(pairs)
        for keep in (11, 1.0):
            HardNegativeFilter(keep=keep)(pairs)


def test_more_than_an_anchor_has_keeps_what_it_has() -> None:
    pairs = batch_pairs()  # 8 of 10 rows are negatives
    out = HardNegativeFilter(keep=9)(pairs)
    assert out.mask is not None and pairs.mask is not None and torch.equal(out.mask, pairs.mask)


@pytest.mark.parametrize(("keep", "of_batch", "of_queue"), [(2, 5, 7), (0.5, 6, 9)])
def test_the_number_falls_with_the_ramp(keep: int | float, of_batch: int, of_queue: int) -> None:
    plugin = begun(HardNegativeFilter(keep=keep, schedule=HALF))
    assert plugin.strength == 0.5
    for pairs, left in ((batch_pairs(), of_batch), (queue_pairs(), of_queue)):
        out = plugin(pairs)
        assert torch.equal(out.mask, hardest(pairs, [left] * len(pairs.query)))
    later = begun(HardNegativeFilter(keep=keep, schedule=LATER))
    assert later(pairs) is pairs


@pytest.mark.parametrize("keep", [0, -1, 0.0, 1.5, math.nan, True])
def test_a_keep_that_is_neither_number_nor_share_is_refused(keep: Any) -> None:
    with pytest.raises(ValueError, match="keep must be how many negatives"):
        HardNegativeFilter(keep=keep)


def test_the_filter_of_the_queue_gives_the_loss_of_the_hardest_only() -> None:
    pairs = queue_pairs()
    loss = pairs.score(HardNegativeFilter(keep=4)(pairs))
    scores = (pairs.query @ pairs.bank.T).topk(4, dim=1).values
    positive = (pairs.query * pairs.positive[:, 0]).sum(1, keepdim=True)
    logits = torch.cat([positive, scores], 1) / pairs.temperature
    torch.testing.assert_close(loss, logits.logsumexp(1) - logits[:, 0])


# --- FalseNegativeMask ----------------------------------------------------------------------------


def guide() -> nn.Module:
    return nn.Identity()


@pytest.mark.parametrize("margin", [0.0, 0.2, None])
@pytest.mark.parametrize("threshold", [None, 0.4])
def test_false_negatives_of_a_batch_one_by_one(
    margin: float | None, threshold: float | None
) -> None:
    if margin is None and threshold is None:
        return
    pairs = batch_pairs()
    assert pairs.query_info is not None and pairs.query_info.guide is not None
    g = (pairs.query_info.guide @ pairs.query_info.guide.T).tolist()
    n = len(g) // 2
    out = FalseNegativeMask(guide=guide(), margin=margin, threshold=threshold)(pairs)
    assert out.mask is not None
    for i in range(2 * n):
        own = g[i][(i + n) % (2 * n)]
        for j in range(2 * n):
            false = margin is not None and g[i][j] > own - margin
            false = false or (threshold is not None and g[i][j] > threshold)
            assert bool(out.mask[i, j]) == (j % n != i % n and not false)
    assert 0 < out.mask.sum() < 8 * 10
    assert out.positive is pairs.positive


def test_images_without_an_index_are_known_by_the_mask() -> None:
    known, unknown = batch_pairs(), batch_pairs(index=torch.full((5,), -1))
    plugin = FalseNegativeMask(guide=guide())
    assert torch.equal(plugin(known).mask, plugin(unknown).mask)


def test_a_queue_is_masked_below_one() -> None:
    pairs = queue_pairs()
    assert pairs.query_info is not None and pairs.bank_info is not None
    g = pairs.query_info.guide @ pairs.bank_info.guide.T  # pyright: ignore[reportOptionalMemberAccess]
    for plugin in (
        FalseNegativeMask(guide=guide(), margin=0.5),
        FalseNegativeMask(guide="momentum", margin=0.5),
        FalseNegativeMask(guide="momentum", threshold=0.5),
    ):
        out = plugin(pairs)
        assert torch.equal(out.mask, g <= 0.5) and 0 < out.mask.sum() < out.mask.numel()


def test_rows_of_the_anchors_image_in_a_queue_lower_the_bound() -> None:
    pairs = queue_pairs()
    assert pairs.query_info is not None and pairs.bank_info is not None
    index = pairs.bank_info.index.clone()
    index[2] = 0  # an earlier view of the first query's image
    info = Info(pairs.bank_info.label, index, pairs.bank_info.guide)
    out = FalseNegativeMask(guide=guide())(pairs.with_(bank_info=info))
    g = pairs.query_info.guide @ pairs.bank_info.guide.T  # pyright: ignore[reportOptionalMemberAccess]
    assert torch.equal(out.mask[0], g[0] <= g[0, 2])
    assert out.mask[1:].all()


def test_a_half_masked_negative_counts_half() -> None:
    pairs = queue_pairs()
    plugin = begun(FalseNegativeMask(guide="momentum", threshold=0.5, schedule=HALF))
    full = FalseNegativeMask(guide="momentum", threshold=0.5)(pairs)
    out = plugin(pairs)
    assert out.mask is None
    torch.testing.assert_close(
        out.log_weight.exp(), 1 - 0.5 * (~full.mask).to(torch.float64), rtol=1e-12, atol=0
    )
    again = plugin(out)
    torch.testing.assert_close(again.log_weight, 2 * out.log_weight)
    later = begun(FalseNegativeMask(guide="momentum", threshold=0.5, schedule=LATER))
    assert later(pairs) is pairs


def test_an_anchor_of_which_all_are_false_negatives_has_a_finite_gradient() -> None:
    pairs = queue_pairs()
    out = FalseNegativeMask(guide="momentum", threshold=-1.0)(pairs)
    assert out.mask is not None and not out.mask.any()
    loss = out.score(out)
    (gradient,) = torch.autograd.grad(loss.sum(), pairs.query)
    assert torch.equal(loss, torch.zeros_like(loss)) and gradient.isfinite().all()


def test_a_guide_that_is_not_there_is_refused() -> None:
    plugin = FalseNegativeMask(guide="momentum", threshold=0.9)
    plugin.check(QUEUE)
    with pytest.raises(ValueError, match=r"needs a momentum encoder.*or a FrozenGuide"):
        plugin.check(BATCH)
    with pytest.raises(ValueError, match="these pairs carry none"):
        plugin(queue_pairs().with_(query_info=None))


def test_rules_that_mask_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="masks nothing"):
        FalseNegativeMask(guide=guide(), margin=None)
    with pytest.raises(ValueError, match="needs a threshold"):
        FalseNegativeMask(guide="momentum")
    FalseNegativeMask(guide=guide()).check(BATCH)
    with pytest.raises(ValueError, match="with a queue: it does not hold"):
        FalseNegativeMask(guide=guide()).check(QUEUE)
    FalseNegativeMask(guide=guide(), threshold=0.9).check(QUEUE)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"margin": -0.1}, "margin must lie in"), ({"threshold": 1.2}, "it is a cosine")],
)
def test_bounds_outside_their_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FalseNegativeMask(guide=guide(), **options)


def test_what_is_no_guide_is_refused() -> None:
    with pytest.raises(TypeError, match="guide must be 'momentum' or a module"):
        FalseNegativeMask(guide="resnet18", threshold=0.9)  # type: ignore[arg-type]
