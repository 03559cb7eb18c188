import pytest
import torch
from clouds import clouds
from sklearn.metrics import average_precision_score

from sslkit.evaluation import (
    FULL,
    Features,
    Plan,
    evaluate_features,
    linear_sweep,
    real_hits,
    variable_top_k,
)
from sslkit.evaluation.label_set_figures import map_figures
from sslkit.evaluation.label_set_probes import knn_set_scores


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 20)
    monkeypatch.setattr("sslkit.evaluation.label_set_figures.RESAMPLES", 20)


def test_neighbours_vote_for_all_their_classes():
    train, test = clouds(several=True), clouds(20, seed=1, several=True)
    found = knn_set_scores(train, test, k=(3, 7), temperature=0.2, device="cpu")
    unit = [torch.nn.functional.normalize(side.features) for side in (train, test)]
    for k, scores in found.items():
        for row in range(20):
            cosine, index = (unit[1][row] @ unit[0].T).topk(k)
            weight = (cosine / 0.2).softmax(0)
            votes = sum(w * train.labels[i].float() for w, i in zip(weight, index, strict=True))
            torch.testing.assert_close(scores[row], votes)


def test_figures_are_map_and_its_kin():
    train, test = clouds(several=True), clouds(60, seed=1, several=True)
    scores = evaluate_features(train, test, seed=2, k=(5,), plan=Plan(seeds=2, epochs=3))
    assert scores.metric == "mAP" and scores.linear is None and scores.predictions is None
    sweep = linear_sweep(train, test, seed=2, epochs=3)
    assert scores.figures()["sweep"] == sweep.figure
    votes = knn_set_scores(train, test, k=(5,), temperature=0.07, device="cpu")[5]
    expected = average_precision_score(test.labels.numpy(), votes.numpy())
    assert scores.knn[5] == pytest.approx(expected)
    hits, shares = (f(sweep.logits, test.labels)[0] for f in (real_hits, variable_top_k))
    assert scores.figures()["sweep_in_set"] == hits.double().mean()
    assert scores.figures()["sweep_variable_top_k"] == shares.mean()
    assert sum(count for _, count in scores.label_sets.by_count.values()) == 60
    intervals = scores.all_intervals(seed=2)
    assert set(intervals) == {"knn_5", "sweep", "sweep_in_set", "sweep_variable_top_k"}
    figures = scores.figures()
    assert all(low <= figures[name] <= high for name, (low, high) in intervals.items())
    assert list(scores.over_seeds) == ["sweep"] and scores.notes == ()


def test_what_needs_one_class_an_image_is_left_out_and_said():
    plan = Plan(grid=FULL.grid, fractions=(0.1,), epochs=2)
    scores = evaluate_features(
        clouds(several=True), clouds(60, seed=1, several=True), seed=2, k=(5,), plan=plan
    )
    assert "need one class an image" in scores.notes[0]


def test_few_images_with_a_class_have_no_interval():
    sets = torch.zeros(40, 3, dtype=torch.bool)
    sets[:19, 0] = True
    assert map_figures(torch.randn(40, 3), sets, seed=0).intervals == {}
    sets[19, 1] = True
    low, high = map_figures(torch.randn(40, 3), sets, seed=0).intervals["mAP"]
    assert 0 < low <= high <= 1


def test_training_sets_need_test_sets_of_the_same_classes():
    with pytest.raises(ValueError, match="give the test images a set of all their classes"):
        evaluate_features(clouds(several=True), clouds(30), seed=0, k=(5,))
    narrow = clouds(30, several=True)
    narrow = Features(narrow.features, narrow.labels[:, :2])
    with pytest.raises(ValueError, match=r"got labels \(90, 3\) and \(30, 2\)"):
        evaluate_features(clouds(several=True), narrow, seed=0, k=(5,))
