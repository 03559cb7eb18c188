"""Numbers about pairs against loops over anchors and negatives."""

import math

import pytest
import torch
from torch import Tensor

from sslkit.callbacks.pair_sample import sample_pairs
from sslkit.callbacks.pair_statistics import own_class_shares, score_statistics
from sslkit.functional import unit_rows
from sslkit.negatives.pairs import Info, Pairs

N, P, K, S, D = 6, 2, 9, 3, 5
OF_ANCHORS = ("query", "positive", "mask", "positive_weight", "log_weight", "extra")
OF_ANCHORS += ("extra_cosine", "extra_log_weight")


def statistics(p: Pairs, top: int) -> Tensor:
    return score_statistics(sample_pairs(p, len(p.query)), top)


def shares_of(p: Pairs, top: list[int]) -> Tensor:
    return own_class_shares(sample_pairs(p, len(p.query)), top)


def pairs(**changes) -> Pairs:
    g = torch.Generator().manual_seed(0)

    def rows(*shape: int) -> Tensor:
        return unit_rows(torch.randn(*shape, D, generator=g, dtype=torch.float64).flatten(0, -2))

    start = Pairs(
        query=rows(N),
        positive=rows(N, P).view(N, P, D),
        bank=rows(K),
        temperature=0.2,
        score=lambda _: torch.zeros(N),
    )
    return start.with_(**changes)


def everything() -> Pairs:
    g = torch.Generator().manual_seed(1)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    mask = torch.rand(N, K, generator=g) > 0.4
    log_weight = numbers(N, K)
    log_weight[:, 2] = -torch.inf
    return pairs(
        mask=mask,
        positive_weight=numbers(N, P).abs(),
        log_weight=log_weight,
        extra=numbers(N, S, D),
        extra_cosine=numbers(N, 2),
        extra_log_weight=numbers(N, S + 2),
    )


def by_loops(p: Pairs, top: int) -> list[float]:
    means, variances, tops, exps, positives, positive_exps = [], [], [], [], [], []
    for i in range(len(p.query)):
        found = []
        for j in range(len(p.bank)):
            weight = 0.0 if p.log_weight is None else p.log_weight[i, j].item()
            if (p.mask is None or p.mask[i, j]) and weight > -math.inf:
                found.append(((p.query[i] @ p.bank[j]).item(), weight))
        own = [] if p.extra is None else [(p.query[i] @ v).item() for v in p.extra[i]]
        own += [] if p.extra_cosine is None else p.extra_cosine[i].tolist()
        weights = p.extra_log_weight[i].tolist() if p.extra_log_weight is not None else [0.0] * 99
        found += list(zip(own, weights, strict=False))
        scores = sorted((s for s, _ in found), reverse=True)
        mean = sum(scores) / len(scores)
        means.append(mean)
        variances.append(sum((s - mean) ** 2 for s in scores) / (len(scores) - 1))
        tops.append(sum(scores[:top]) / len(scores[:top]))
        exps.append(sum(math.exp(s / p.temperature + w) for s, w in found) / len(found))
        for j in range(p.positive.shape[1]):
            score = (p.query[i] @ p.positive[i, j]).item()
            weight = 1.0 if p.positive_weight is None else p.positive_weight[i, j].item()
            positives.append(score)
            positive_exps.append(math.exp(weight * score / p.temperature))

    def average(values: list[float]) -> float:
        return sum(values) / len(values)

    middle = average(positives)
    spread = sum((s - middle) ** 2 for s in positives) / (len(positives) - 1)
    return [
        average(means),
        average(variances),
        average(tops),
        math.log(average(exps)),
        middle,
        spread,
        math.log(average(positive_exps)),
    ]


@pytest.mark.parametrize("case", [pairs, everything])
@pytest.mark.parametrize("top", [1, 4, 1000])
def test_score_statistics_are_those_of_loops(case, top):
    found = statistics(case(), top)
    torch.testing.assert_close(found, torch.tensor(by_loops(case(), top), dtype=torch.float64))


def test_anchors_without_negatives_are_left_out():
    mask = torch.ones(N, K, dtype=torch.bool)
    mask[0] = False
    mask[1, 1:] = False  # one negative has no variance
    found = statistics(pairs(mask=mask), 2)
    kept = pairs(mask=mask)
    one = kept.with_(query=kept.query[1:], positive=kept.positive[1:], mask=mask[1:])
    several = kept.with_(query=kept.query[2:], positive=kept.positive[2:], mask=mask[2:])
    for at, of in ((0, one), (2, one), (3, one), (1, several)):
        torch.testing.assert_close(found[at], statistics(of, 2)[at])
    nothing = statistics(pairs(mask=torch.zeros_like(mask)), 2)
    assert nothing.isnan().tolist() == [True] * 4 + [False] * 3


def test_large_logits_do_not_overflow():
    found = statistics(pairs(temperature=1e-3).with_(), 2).float()
    assert found.isfinite().all() and found[3] > 100


def test_positives_are_those_of_the_whole_batch():
    p = everything()
    few = score_statistics(sample_pairs(p, 2), 3)
    torch.testing.assert_close(few[4:], statistics(p, 3)[4:])
    some = p.with_(**{n: getattr(p, n)[[0, 3]] for n in OF_ANCHORS})
    torch.testing.assert_close(few[:4], statistics(some, 3)[:4])


def test_shares_of_constructed_labels():
    # One anchor looks along the first axis; the bank's cosines fall from row to row.
    angles = torch.linspace(0.1, 3.0, 8, dtype=torch.float64)
    bank = torch.stack([angles.cos(), angles.sin()], 1)
    label = torch.tensor([1, 1, -1, 0, 1, 0, 0, 0])
    anchor = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    constructed = Pairs(
        query=anchor.expand(3, 2),
        positive=anchor.expand(3, 1, 2),
        bank=bank,
        temperature=0.1,
        score=lambda _: torch.zeros(3),
        query_info=Info(label=torch.tensor([1, 0, -1]), index=torch.arange(3)),
        bank_info=Info(label=label, index=torch.arange(8)),
    )
    # Without the unlabelled row: of class 1 are ranks 1, 2 and 4, of class 0 the other four of 7.
    shares = shares_of(constructed, [1, 2, 4, 100])
    one, other = [1, 1, 3 / 4, 3 / 7, 3 / 7], [0, 0, 1 / 4, 4 / 7, 4 / 7]
    expected = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    torch.testing.assert_close(shares, torch.tensor(expected))

    mask = torch.ones(3, 8, dtype=torch.bool)
    mask[0, 0] = False  # the hardest is no negative of the first anchor
    mask[1] = False  # the second has none
    shares = shares_of(constructed.with_(mask=mask), [1, 2, 3])
    torch.testing.assert_close(shares, torch.tensor([1, 1 / 2, 2 / 3, 2 / 6]))

    unknown = Info(label=torch.full((8,), -1), index=torch.arange(8))
    assert shares_of(constructed.with_(bank_info=unknown), [1]).isnan().all()


def test_shares_against_loops():
    g = torch.Generator().manual_seed(3)
    labels, own = torch.randint(-1, 3, (K,), generator=g), torch.randint(-1, 3, (N,), generator=g)
    p = everything().with_(
        query_info=Info(label=own, index=own), bank_info=Info(label=labels, index=labels)
    )
    expected = []
    for k in (1, 3, K):
        values = []
        for i in range(N):
            rows = [
                j
                for j in range(K)
                if p.mask[i, j] and labels[j] >= 0 and p.log_weight[i, j] > -math.inf
            ]
            rows.sort(key=lambda j: -(p.query[i] @ p.bank[j]).item())
            if own[i] >= 0 and rows:
                same = [(labels[j] == own[i]).item() for j in rows[:k]]
                values.append(sum(same) / len(same))
        expected.append(sum(values) / len(values))
    torch.testing.assert_close(shares_of(p, [1, 3, K])[:3], torch.tensor(expected))
    torch.testing.assert_close(shares_of(p, [1])[1], torch.tensor(expected[2]))


def test_pairs_without_infos_say_so():
    with pytest.raises(ValueError, match="let the source fill them"):
        shares_of(pairs(), [1])
