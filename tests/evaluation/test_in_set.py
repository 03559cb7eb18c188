"""Probes that learned one class an image, scored by sets of classes, as in ReaL."""

import numpy as np
import pytest
import torch
from clouds import clouds
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sslkit.evaluation import (
    FULL,
    Features,
    Plan,
    evaluate_features,
    knn_grid,
    linear_sweep,
    real_hits,
    variable_top_k,
)

EMPTY = 7


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 20)


def sides(count=60):
    """Training images of one class, test images of several; some of none."""
    test = clouds(count, seed=1, several=True)
    test.labels[:EMPTY] = False
    return clouds(90), test


def test_figures_count_any_class_of_the_set_and_leave_empty_ones_out():
    train, test = sides()
    scores = evaluate_features(train, test, seed=2, k=(5,))
    assert (scores.metric, scores.n_test, scores.n_empty) == ("in_set", 60 - EMPTY, EMPTY)
    scaler = StandardScaler().fit(train.features.numpy())
    probe = LogisticRegression(C=scores.linear.c, max_iter=2000)
    probe.fit(scaler.transform(train.features.numpy()), train.labels.numpy())
    chances = torch.from_numpy(probe.predict_proba(scaler.transform(test.features.numpy())))
    hits, rows = real_hits(chances, test.labels)
    assert len(rows) == scores.n_test
    figures = scores.figures()
    assert figures["linear"] == pytest.approx(float(hits.double().mean()))
    shares, _ = variable_top_k(chances, test.labels)
    assert figures["linear_variable_top_k"] == pytest.approx(float(shares.mean()))
    unit = [torch.nn.functional.normalize(side.features) for side in (train, test)]
    right = 0
    for row in rows.tolist():
        cosine, index = (unit[1][row] @ unit[0].T).topk(5)
        votes = torch.zeros(3).index_add_(0, train.labels[index], (cosine / 0.07).exp())
        right += bool(test.labels[row, votes.argmax()])
    assert figures["knn_5"] == pytest.approx(right / len(rows))
    kept = scores.predictions
    assert kept.label.dtype == bool and kept.index.tolist() == rows.tolist()
    assert {n: h.mean() for n, h in kept.hits().items()} == pytest.approx(
        {n: figures[n] for n in ("knn_5", "linear")}
    )
    intervals = scores.all_intervals(seed=2)
    assert set(intervals) == {"knn_5", "linear", "linear_variable_top_k"}
    assert all(low <= figures[name] <= high for name, (low, high) in intervals.items())


def test_sets_of_one_class_are_top1_and_more_classes_are_never_worse():
    train, several = sides()
    alone = clouds(60, seed=1)
    single = Features(alone.features, torch.nn.functional.one_hot(alone.labels, 3).bool())
    found, expected = (
        evaluate_features(train, test, seed=2, k=(5,), plan=Plan(shots=(1,), grid=(3, 7)))
        for test in (single, alone)
    )
    figures = found.figures()
    assert figures.pop("linear_variable_top_k") == figures["linear"]
    assert figures == expected.figures() and found.n_empty == 0
    wider = evaluate_features(train, several, seed=2, k=(5,)).figures()
    all_right = several.labels | True
    full = Features(several.features, all_right)
    assert evaluate_features(train, full, seed=2, k=(5,)).figures()["linear"] == 1
    assert wider["linear"] < 1


def test_the_full_plan_leaves_out_what_needs_one_class_and_says_so():
    plan = Plan(
        name="full", grid=FULL.grid[:2], sweep=True, epochs=2, fractions=(0.5,), details=True
    )
    scores = evaluate_features(*sides(), seed=2, k=(5,), plan=plan)
    assert scores.details == {} and any("Confusions" in note for note in scores.notes)
    assert {"knn", "sweep", "sweep_best_epoch", "linear_50_percent"} <= scores.figures().keys()
    assert scores.sweep.metric == "in_set"
    hits, _ = real_hits(scores.sweep.logits, clouds(60, seed=1, several=True).labels[EMPTY:])
    assert scores.figures()["sweep"] == pytest.approx(float(hits.double().mean()))


def test_the_parts_leave_empty_sets_out_by_themselves():
    train, test = sides()
    assert linear_sweep(train, test, seed=0, epochs=1).index.tolist() == [*range(EMPTY, 60)]
    assert knn_grid(train, test, seed=0, k=(5,)).index.tolist() == [*range(EMPTY, 60)]


def test_a_class_without_training_images_is_never_predicted():
    train, test = sides()
    wide = torch.cat([test.labels, torch.ones(60, 2, dtype=torch.bool)], dim=1)
    wide[:EMPTY] = False
    scores = evaluate_features(train, Features(test.features, wide), seed=2, k=(5,))
    assert scores.figures()["linear"] <= 1
    predicted = scores.predictions.predicted["linear"]
    np.testing.assert_array_equal(scores.predictions.hits()["linear"], wide[EMPTY:][
        torch.arange(60 - EMPTY), torch.from_numpy(predicted)].numpy())  # fmt: skip
    assert scores.label_sets.average_precision.shape == (5,)


def test_says_what_does_not_fit():
    train, test = sides()
    with pytest.raises(ValueError, match="all 60 test label sets are empty"):
        evaluate_features(train, Features(test.features, test.labels & False), seed=0, k=(5,))
    with pytest.raises(ValueError, match=r"label sets of 2 classes, and training .* class 2"):
        evaluate_features(train, Features(test.features, test.labels[:, :2]), seed=0, k=(5,))
    strange = torch.zeros(60, 4, dtype=torch.bool)
    strange[:, 0] = True
    strange[9] = torch.tensor([False, False, False, True])
    with pytest.raises(ValueError, match=r"1 of 60 test images have only classes .*first: \[3\]"):
        evaluate_features(train, Features(test.features, strange), seed=0, k=(5,))
