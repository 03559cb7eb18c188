import pytest
import torch

from sslkit.callbacks.pair_sample import sample_pairs
from sslkit.functional import unit_rows
from sslkit.negatives.mixing import make_mixes
from sslkit.negatives.pairs import Info, Mixes, Pairs

N, K, D, S, H = 6, 40, 5, 3, 4


def pairs(*, masked: bool = False) -> Pairs:
    g = torch.Generator().manual_seed(0)
    query, bank = (unit_rows(torch.randn(n, D, generator=g, dtype=torch.float64)) for n in (N, K))
    mask = torch.rand(N, K, generator=g) > 0.5
    if masked:
        mask[3] = False
        mask[3, [5, 9]] = True  # fewer negatives than are asked for
    return Pairs(
        query=query,
        positive=query[:, None],
        bank=bank,
        temperature=0.2,
        score=lambda _: query[:, 0],
        mask=mask if masked else None,
        extra_cosine=torch.rand(N, 2, generator=g, dtype=torch.float64),
        query_info=Info(label=torch.arange(N), index=torch.arange(N) + 10),
    )


def mixed(p: Pairs) -> Pairs:
    g = torch.Generator().manual_seed(2)
    counts = torch.full((N,), H) if p.mask is None else p.mask.sum(1).clamp(max=H)
    pair = torch.stack([torch.arange(N) % 2, 1 - torch.arange(N) % 2])[..., None].expand(2, N, S)
    index = (torch.arange(N * 2).view(N, 2) % counts[:, None]).long()
    weight = torch.rand(N, S + 2, generator=g, dtype=torch.float64)
    return p.with_(mixes=Mixes(H, pair, weight[:, :S], index, weight[:, S:]))


def test_anchors_are_spread_evenly_with_all_that_is_theirs():
    whole = pairs(masked=True)
    sample = sample_pairs(whole, 3)
    chosen = [0, 2, 4]
    for name in ("query", "positive", "mask", "extra_cosine"):
        assert torch.equal(getattr(sample.few, name), getattr(whole, name)[chosen]), name
    assert sample.few.query_info.index.tolist() == [10, 12, 14]
    assert sample.few.bank is whole.bank and sample.whole is whole
    assert torch.equal(sample_pairs(whole, 99).few.query, whole.query)
    torch.testing.assert_close(sample.score[:, :K], whole.query[chosen] @ whole.bank.T)
    assert sample.counted.shape == (3, K + 2) and sample.counted[:, K:].all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("count", [2, 3, N])  # a small bank of the hardest, or the whole of it
def test_mixes_of_some_anchors_are_those_of_all(masked, count):
    whole = mixed(pairs(masked=masked))
    made = make_mixes(whole)
    few = sample_pairs(whole, count).few
    rows = [at * N // count for at in range(count)]
    assert few.mixes is None and few.bank is whole.bank
    torch.testing.assert_close(few.extra_cosine, made.extra_cosine[rows])
    if made.extra_log_weight is None:
        assert few.extra_log_weight is None or not few.extra_log_weight.any()
    else:
        assert torch.equal(few.extra_log_weight, made.extra_log_weight[rows])


def test_scores_are_shared_only_between_the_same_vectors():
    before = sample_pairs(pairs(), 3)
    masked = before.whole.with_(mask=torch.ones(N, K, dtype=torch.bool))
    assert sample_pairs(masked, 3, like=before).bank_score is before.bank_score
    for name in ("query", "bank"):
        changed = before.whole.with_(**{name: 2 * getattr(before.whole, name)})
        score = sample_pairs(changed, 3, like=before).bank_score
        torch.testing.assert_close(score, 2 * before.bank_score)
