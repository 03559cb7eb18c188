import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix as sklearn_confusion
from torchmetrics.functional.classification import multiclass_accuracy

from sslkit.evaluation import (
    bootstrap_figure,
    bootstrap_interval,
    calibration_error,
    confusion_matrix,
    over_seeds,
    per_class_accuracy,
    top1_hits,
)


def scored(count=200, classes=5):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (count,), generator=generator)
    logits = torch.randn(count, classes, generator=generator)
    logits[torch.arange(count), labels] += 1
    return logits.softmax(1), labels


def test_hits_are_of_classes_and_of_scores():
    scores, labels = scored()
    hits = top1_hits(scores, labels)
    assert torch.equal(hits, top1_hits(scores.argmax(1), labels))
    assert hits.tolist() == [int(s.argmax()) == int(y) for s, y in zip(scores, labels, strict=True)]


def test_any_class_of_a_set_is_a_hit():
    sets = torch.tensor([[True, True, False], [False, False, True], [True, False, False]])
    assert top1_hits(torch.tensor([1, 2, 2]), sets).tolist() == [True, True, False]
    assert top1_hits(torch.eye(3), sets).tolist() == [True, False, False]
    assert top1_hits(torch.tensor([5, 2, 0]), sets).tolist() == [False, True, True]
    with pytest.raises(ValueError, match=r"none of them empty, got .* with 1 empty ones"):
        top1_hits(torch.tensor([0, 1]), torch.tensor([[True, False], [False, False]]))


def test_the_confusion_matrix_is_that_of_scikit_learn():
    scores, labels = scored()
    confusion = confusion_matrix(scores, labels, num_classes=7)
    expected = sklearn_confusion(labels, scores.argmax(1), labels=range(7))
    assert np.array_equal(confusion, expected)
    assert confusion.diagonal().sum() == top1_hits(scores, labels).sum()


def test_per_class_accuracy_is_that_of_torchmetrics_and_nan_without_images():
    scores, labels = scored()
    found = per_class_accuracy(confusion_matrix(scores, labels, num_classes=6))
    expected = multiclass_accuracy(scores, labels, num_classes=5, average=None)
    torch.testing.assert_close(found[:5].float(), expected)
    assert found[5].isnan()


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_calibration_error_equals_a_slow_twin(bins):
    probabilities, labels = scored()
    gap = 0.0
    for b in range(bins):
        inside = [
            i
            for i, row in enumerate(probabilities.tolist())
            if b / bins < max(row) <= (b + 1) / bins
        ]
        if inside:
            right = sum(int(probabilities[i].argmax()) == int(labels[i]) for i in inside)
            confidence = sum(float(probabilities[i].max()) for i in inside)
            gap += abs(right - confidence) / len(labels)
    assert gap > 0.005
    assert calibration_error(probabilities, labels, bins=bins) == pytest.approx(gap, abs=1e-6)


def test_calibration_error_of_sure_predictions():
    sure = torch.eye(3)[torch.tensor([0, 1, 2, 0])]
    assert calibration_error(sure, torch.tensor([0, 1, 2, 0])) == pytest.approx(0, abs=1e-6)
    assert calibration_error(sure, torch.tensor([1, 2, 0, 1])) == pytest.approx(1)


def test_mean_and_std_over_seeds():
    assert over_seeds([0.5, 0.7, 0.9]) == pytest.approx((0.7, 0.2, 3))
    mean, std, seeds = over_seeds([0.5])
    assert (mean, seeds) == (0.5, 1)
    assert math.isnan(std)
    with pytest.raises(ValueError, match="at least one seed"):
        over_seeds([])


def test_the_bootstrap_of_any_figure_agrees_with_that_of_means():
    hits = top1_hits(*scored())
    one = bootstrap_figure(lambda rows: float(hits[rows].double().mean()), 200, seed=0)
    other = bootstrap_interval(hits.numpy(), seed=0)
    assert one == pytest.approx(other, abs=0.015)
    assert one[0] < hits.double().mean() < one[1]
    assert one == bootstrap_figure(lambda rows: float(hits[rows].double().mean()), 200, seed=0)


def test_says_what_is_wrong():
    scores, labels = scored()
    with pytest.raises(ValueError, match=r"\(199, 5\) and \(200,\)"):
        top1_hits(scores[1:], labels)
    with pytest.raises(ValueError, match="3 of them unlabelled"):
        top1_hits(scores[:3], torch.full((3,), -1))
    with pytest.raises(ValueError, match="at least one image"):
        top1_hits(scores[:0], labels[:0])
    with pytest.raises(ValueError, match="labels has 0 to 4"):
        confusion_matrix(torch.zeros(200, dtype=torch.long), labels, num_classes=3)
    with pytest.raises(ValueError, match=r"\(C, C\), got \(2, 3\)"):
        per_class_accuracy(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="sum to 1"):
        calibration_error(scores * 3, labels)
    with pytest.raises(ValueError, match="sum to 1"):
        calibration_error(scores * torch.nan, labels)
    with pytest.raises(ValueError, match="at least one bin"):
        calibration_error(scores, labels, bins=0)
    with pytest.raises(ValueError, match="label 5 and probabilities of only 5"):
        calibration_error(scores, labels + 1)
    with pytest.raises(ValueError, match="count=0"):
        bootstrap_figure(lambda rows: 0.0, 0, seed=0)
    with pytest.raises(ValueError, match="not finite from some draws"):
        bootstrap_figure(lambda rows: math.nan, 3, seed=0, resamples=2)
