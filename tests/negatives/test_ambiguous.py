import math

import pytest
import torch
from selected_pairs import HALF, batch_pairs, begun, queue_pairs, rows

from sslkit.functional import unit_rows
from sslkit.functional.selection import ambiguous_log_weights
from sslkit.negatives.ambiguous import AmbiguousNegatives
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import PluginSchedule


def with_scores(cosines: torch.Tensor, positive: float, anchors: int) -> Pairs:
    """Anchors that all have these cosines with the bank, and this one with their positive."""

    def at(cosine: torch.Tensor) -> torch.Tensor:
        return torch.stack([cosine, (1 - cosine**2).sqrt()], dim=-1)

    query = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(anchors, 2)
    own = at(torch.full((anchors, 1), positive, dtype=torch.float64))
    return Pairs(query, own, at(cosines), 0.2, lambda pairs: pairs.query[:, 0])


def test_as_many_stay_as_asked_all_of_them_negatives_before() -> None:
    for pairs in (batch_pairs(), queue_pairs()):
        out = begun(AmbiguousNegatives(count=3))(pairs)
        assert (out.mask.sum(1) == 3).all()
        if pairs.mask is not None:
            assert not (out.mask & ~pairs.mask).any()
        assert out.log_weight is None


def test_the_draws_are_those_of_the_batch() -> None:
    pairs, plugin = queue_pairs(), AmbiguousNegatives(count=4)
    first, second = (begun(plugin, batch=b)(pairs).mask for b in (0, 1))
    assert torch.equal(begun(plugin, batch=0)(pairs).mask, first)
    assert not torch.equal(first, second)
    state = torch.get_rng_state()
    begun(plugin)(pairs)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("b", [0.0, 0.3])
def test_the_likeliest_lie_b_below_the_positive(b: float) -> None:
    cosines = torch.linspace(-0.9, 0.9, 19, dtype=torch.float64)
    pairs = with_scores(cosines, 0.6, anchors=2000)
    out = begun(AmbiguousNegatives(count=1, a=0.5, b=b))(pairs)
    assert out.mask is not None
    shares = out.mask.double().mean(0)
    weights = ambiguous_log_weights(
        cosines[None], torch.tensor([0.6]), sharpness=0.5 / 0.2**2, below=b
    )
    expected = weights[0].softmax(0)
    assert (shares - expected).abs().max() < 5 * math.sqrt(0.25 / 2000)
    assert abs(float(cosines[expected.argmax()]) - (0.6 - b)) < 1e-9
    assert abs(float((shares * cosines).sum()) - float((expected * cosines).sum())) < 0.03


def test_without_a_every_negative_is_as_likely() -> None:
    cosines = torch.linspace(-0.9, 0.9, 10, dtype=torch.float64)
    out = begun(AmbiguousNegatives(count=2, a=0.0, b=0.3))(with_scores(cosines, 0.9, anchors=3000))
    assert out.mask is not None
    shares = out.mask.double().mean(0)
    assert (shares - 0.2).abs().max() < 5 * math.sqrt(0.16 / 3000)


def test_several_positives_count_by_their_mean() -> None:
    pairs = queue_pairs()
    second = pairs.with_(positive=torch.cat([pairs.positive, pairs.positive], dim=1))
    plugin = AmbiguousNegatives(count=3, a=4.0)
    assert torch.equal(begun(plugin)(pairs).mask, begun(plugin)(second).mask)
    other = unit_rows(rows(4, seed=9))[:, None]
    third = pairs.with_(positive=torch.cat([pairs.positive, other], dim=1))
    assert not torch.equal(begun(plugin)(pairs).mask, begun(plugin)(third).mask)


def test_keeping_all_changes_nothing_and_a_ramp_keeps_more() -> None:
    pairs = queue_pairs()
    assert begun(AmbiguousNegatives(count=12))(pairs) is pairs
    later = begun(AmbiguousNegatives(count=2, schedule=PluginSchedule(start=1, unit="steps")))
    assert later(pairs) is pairs
    for pairs, left in ((queue_pairs(), 7), (batch_pairs(), 5)):
        out = begun(AmbiguousNegatives(count=2, schedule=HALF))(pairs)
        assert (out.mask.sum(1) == left).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"count": 3, "a": -1.0}, "a must be a finite number of at least 0"),
        ({"count": 3, "b": 3.0}, "it is a difference of cosines"),
    ],
)
def test_arguments_outside_their_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AmbiguousNegatives(**options)
