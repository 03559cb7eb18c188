import pytest
import torch
from clouds import clouds

from sslkit.evaluation import (
    FULL,
    Features,
    Plan,
    Vote,
    evaluate_features,
    knn_grid,
    linear_probe,
    linear_sweep,
)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 20)


PLAN = Plan(grid=(1, 5), sweep=True, epochs=3, seeds=2, shots=(2, 50), details=True)


def test_the_quick_plan_is_the_bare_protocol():
    scores = evaluate_features(clouds(), clouds(45, seed=1), seed=2, k=(5,))
    assert list(scores.figures()) == ["knn_5", "linear"]
    assert (scores.votes, scores.sweep, scores.few, scores.over_seeds) == (None, None, {}, {})


def test_every_part_is_what_it_is_alone():
    train, test = clouds(), clouds(45, seed=1)
    scores = evaluate_features(train, test, seed=2, k=(5, 8), plan=PLAN)
    names = ["knn_5", "knn_8", "knn", "linear", "sweep", "sweep_best_epoch", "linear_2_shot"]
    assert list(scores.figures()) == [*names, "linear_ece", "sweep_ece"]
    votes = knn_grid(train, test, seed=2, k=(1, 5, 8))
    assert scores.votes.accuracy == votes.accuracy and scores.votes.chosen == votes.chosen
    assert scores.figures()["knn"] == votes.accuracy[votes.chosen]
    assert scores.knn == {k: votes.accuracy[Vote(k, "weighted")] for k in (5, 8)}
    sides = [(side.features.numpy(), side.labels.numpy()) for side in (train, test)]
    linear = [linear_probe(*sides, seed=seed) for seed in (2, 3)]
    sweeps = [linear_sweep(train, test, seed=seed, epochs=3) for seed in (2, 3)]
    assert scores.linear == linear[0]
    assert torch.equal(scores.sweep.logits, sweeps[0].logits)
    assert scores.over_seeds["sweep"].mean == pytest.approx(sum(s.figure for s in sweeps) / 2)
    assert scores.over_seeds["linear"].mean == pytest.approx(sum(x.accuracy for x in linear) / 2)
    assert set(scores.over_seeds) == {"linear", "sweep", "linear_2_shot"}
    assert scores.notes == ("50 images of every class are left out: some class has only 30.",)


def test_predictions_and_intervals_are_those_of_the_figures():
    scores = evaluate_features(clouds(), clouds(45, seed=1), seed=2, k=(5,), plan=PLAN)
    hits = scores.predictions.hits()
    figures = scores.figures()
    assert {name: right.mean() for name, right in hits.items()} == pytest.approx(
        {name: figures[name] for name in ("knn_5", "knn", "linear", "sweep", "linear_2_shot")}
    )
    intervals = scores.all_intervals(seed=2)
    assert intervals.keys() == hits.keys()
    assert all(low <= figures[name] <= high for name, (low, high) in intervals.items())
    for probe in ("linear", "sweep"):
        counts = scores.details[probe].confusion
        assert counts.diagonal().sum() / counts.sum() == pytest.approx(figures[probe])


def test_the_heads_choose_a_layer_and_all_else_sees_the_output():
    train, test = clouds(), clouds(45, seed=1)
    noise = [torch.randn(len(x.labels), 2, generator=torch.Generator()) for x in (train, test)]
    wide, wide_test = (
        Features(torch.cat([z, x.features], 1), x.labels)
        for z, x in zip(noise, (train, test), strict=True)
    )
    scores = evaluate_features(
        wide, wide_test, seed=0, k=(5,), plan=PLAN, layers={"output": 2, "map": 6}
    )
    bare = evaluate_features(
        Features(noise[0], train.labels), Features(noise[1], test.labels), seed=0, k=(5,)
    )
    assert scores.sweep.head.layer == "map"
    assert (scores.knn, scores.linear, scores.feature_width) == (bare.knn, bare.linear, 2)


def test_votes_of_more_neighbours_than_there_are_are_named():
    plan = Plan(grid=(1, 90, 200))
    scores = evaluate_features(clouds(), clouds(45, seed=1), seed=2, k=(5,), plan=plan)
    note = "knn is chosen without k = 90, 200: there are only 90 labelled training images."
    assert scores.notes == (note,)
    assert {vote.k for vote in scores.votes.accuracy} == {1, 5}


def test_what_would_take_hours_is_left_out_and_heads_take_its_place(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.linear_limits.MOST_WORK", 90 * 6 * 3 - 1)
    scores = evaluate_features(clouds(), clouds(45, seed=1), seed=2, k=(5,))
    assert scores.linear is None
    assert list(scores.figures()) == ["knn_5", "sweep", "sweep_best_epoch"]
    assert "linear (L-BFGS) is left out" in scores.notes[0]
    monkeypatch.setattr("sslkit.evaluation.linear_limits.MOST_WORK", 90 * 6 * 3)
    assert evaluate_features(clouds(), clouds(45, seed=1), seed=2, k=(5,)).linear is not None


def test_what_would_need_much_memory_is_left_out_too(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.linear_limits.MOST_BYTES", 4 * 90 * (6 + 3 * 3) - 1)
    scores = evaluate_features(clouds(), clouds(45, seed=1), seed=2, k=(5,))
    assert scores.linear is None and scores.sweep is not None
    assert "linear (L-BFGS) is left out, as it would need over" in scores.notes[0]


def test_test_labels_choose_nothing():
    train, test = clouds(), clouds(45, seed=1)
    blind = Features(test.features, test.labels.roll(1))
    one, other = (
        evaluate_features(train, side, seed=0, k=(5,), plan=PLAN) for side in (test, blind)
    )
    assert one.votes.chosen == other.votes.chosen and one.sweep.head == other.sweep.head
    assert one.linear.c == other.linear.c and one.sweep.best.epoch == other.sweep.best.epoch
    assert other.figures()["knn"] < one.figures()["knn"]


def test_bad_features_are_named_whatever_the_plan():
    train, test = clouds(), clouds(45, seed=1)
    settings = {"seed": 0, "k": (5,), "plan": FULL}
    bad = train.features.clone()
    bad[4, 2] = torch.nan
    with pytest.raises(ValueError, match=r"pretrained encoder are not finite for 1 of 90 training"):
        evaluate_features(Features(bad, train.labels), test, **settings)
    with pytest.raises(ValueError, match="all 90 are of class 1"):
        evaluate_features(
            Features(train.features, torch.ones(90, dtype=torch.long)), test, **settings
        )
    with pytest.raises(ValueError, match=r"no training image has: \[3\]"):
        evaluate_features(train, clouds(40, classes=4), **settings)
    none = torch.full((45,), -1)
    with pytest.raises(ValueError, match="the 45 test images have none"):
        evaluate_features(train, Features(test.features, none), **settings)
    with pytest.raises(ValueError, match=r"k=\[91\] needs at least one k"):
        evaluate_features(train, test, **settings | {"k": (91,)})
