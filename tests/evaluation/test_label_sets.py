import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torchmetrics.functional.classification import multilabel_average_precision

from sslkit.evaluation import (
    average_precision,
    by_label_count,
    mean_average_precision,
    real_hits,
    top1_hits,
    variable_top_k,
)


def scored(count=80, classes=6, ties=False):
    generator = torch.Generator().manual_seed(0)
    sets = torch.rand(count, classes, generator=generator) < 0.25
    scores = sets + 1.5 * torch.randn(count, classes, generator=generator)
    return (scores.round() if ties else scores), sets


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_that_of_scikit_learn_and_torchmetrics(ties):
    scores, sets = scored(ties=ties)
    found = average_precision(scores, sets)
    expected = average_precision_score(sets.numpy(), scores.numpy(), average=None)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    other = multilabel_average_precision(
        scores.sigmoid().double(), sets.long(), num_labels=6, average=None
    )
    torch.testing.assert_close(found.float(), other.float(), rtol=1e-5, atol=1e-6)
    assert mean_average_precision(scores, sets) == pytest.approx(expected.mean())


def test_a_class_that_no_image_has_is_left_out_of_the_mean():
    scores, sets = scored()
    sets[:, 2] = False
    each = average_precision(scores, sets)
    assert each.isnan().tolist() == [False, False, True, False, False, False]
    assert mean_average_precision(scores, sets) == pytest.approx(float(each[~each.isnan()].mean()))


def test_average_precision_by_hand():
    scores = torch.tensor([[0.9], [0.8], [0.7], [0.6]])
    sets = torch.tensor([[True], [False], [True], [False]])
    assert float(average_precision(scores, sets)) == pytest.approx((1 + 2 / 3) / 2)


def test_real_and_variable_top_k_equal_slow_twins():
    scores, sets = scored()
    right, shares, kept = [], [], []
    for i, row in enumerate(scores.tolist()):
        own = {c for c in range(6) if sets[i, c]}
        if not own:
            continue
        ranked = sorted(range(6), key=lambda c: -row[c])
        kept.append(i)
        right.append(ranked[0] in own)
        shares.append(len(own & set(ranked[: len(own)])) / len(own))
    assert 0 < len(kept) < 80
    for predicted in (scores, scores.argmax(1)):
        hits, rows = real_hits(predicted, sets)
        assert (hits.tolist(), rows.tolist()) == (right, kept)
    found, rows = variable_top_k(scores, sets)
    assert rows.tolist() == kept
    assert found.tolist() == pytest.approx(shares)


def test_single_labels_are_top1():
    scores, _ = scored()
    labels = torch.arange(80) % 6
    sets = torch.nn.functional.one_hot(labels, 6).bool()
    hits = top1_hits(scores, labels)
    assert torch.equal(real_hits(scores, sets)[0], hits)
    assert torch.equal(variable_top_k(scores, sets)[0], hits.double())


def test_real_accuracy_grows_with_the_label_sets():
    scores, sets = scored()
    hits, rows = real_hits(scores, sets)
    larger = sets.clone()
    larger[rows, 0] = True
    more, same = real_hits(scores, larger)
    assert torch.equal(rows, same)
    assert (more >= hits).all()
    assert more.sum() > hits.sum()


def test_groups_by_the_number_of_classes_add_up():
    scores, sets = scored()
    shares, rows = variable_top_k(scores, sets)
    groups = by_label_count(shares, sets[rows])
    assert list(groups) == sorted(groups)
    assert sum(count for _, count in groups.values()) == len(rows)
    total = sum(mean * count for mean, count in groups.values())
    assert total == pytest.approx(float(shares.sum()))
    twos = [float(s) for s, r in zip(shares, rows, strict=True) if sets[r].sum() == 2]
    assert groups[2] == pytest.approx((sum(twos) / len(twos), len(twos)))


def test_says_what_is_wrong():
    scores, sets = scored()
    with pytest.raises(ValueError, match=r"both be \(N, K\)"):
        average_precision(scores[:, :5], sets)
    with pytest.raises(ValueError, match="must be bool"):
        average_precision(scores, sets.long())
    with pytest.raises(ValueError, match="finite"):
        variable_top_k(scores / 0, sets)
    with pytest.raises(ValueError, match="every label set is empty"):
        mean_average_precision(scores, sets & False)
    with pytest.raises(ValueError, match="every label set is empty"):
        real_hits(scores, sets & False)
    with pytest.raises(ValueError, match=r"real_hits\(\) takes classes \(N,\)"):
        real_hits(scores[1:], sets)
    with pytest.raises(ValueError, match="from 0 to K - 1 = 5, got 6 to 6"):
        real_hits(torch.full((80,), 6), sets)
    with pytest.raises(ValueError, match="of the same images"):
        by_label_count(torch.zeros(3), sets)
