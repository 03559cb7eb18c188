import numpy as np
import pytest
import torch

from sslkit.data import Batch
from sslkit.evaluation import (
    evaluate_encoder,
    extract_features,
    linear_probe,
)
from sslkit.functional import knn_scores


def with_labels(batches, change):
    return [Batch(b.image, change(b.label), b.index) for b in batches]


def test_scores_are_those_of_the_parts(encoder, loader):
    train, test = loader(60), loader(30, seed=1)
    scores = evaluate_encoder(encoder, train, test, seed=2, k=(3, 9), temperature=0.1)
    a, b = extract_features(encoder, train), extract_features(encoder, test)
    for k in (3, 9):
        votes = knn_scores(b.features, a.features, a.labels, k=k, num_classes=3, temperature=0.1)
        assert scores.knn[k] == pytest.approx((votes.argmax(1) == b.labels).double().mean().item())
    linear = linear_probe(
        (a.features.numpy(), a.labels.numpy()), (b.features.numpy(), b.labels.numpy()), seed=2
    )
    assert scores.linear == linear
    assert (scores.n_train, scores.n_test, scores.num_classes) == (60, 30, 3)
    assert scores.feature_width == 12
    assert scores.linear.accuracy > 0.6


def test_predictions_are_those_of_the_figures(encoder, loader):
    hidden = with_labels(loader(30, seed=1), lambda label: torch.where(label == 2, -1, label))
    scores = evaluate_encoder(encoder, loader(60), hidden, seed=2, k=(3, 9))
    found = scores.predictions
    assert found.index.tolist() == [row for row in range(30) if row % 3 != 2]
    assert found.label.tolist() == [row % 3 for row in range(30) if row % 3 != 2]
    means = {figure: hits.mean() for figure, hits in found.hits().items()}
    assert means == pytest.approx(
        {"knn_3": scores.knn[3], "knn_9": scores.knn[9], "linear": scores.linear.accuracy}
    )
    assert 0.3 < means["linear"] < 1


def test_test_labels_choose_nothing(encoder, loader):
    train, test = loader(60), loader(30, seed=1)
    shuffled = with_labels(test, lambda label: label.roll(1))
    one, other = (evaluate_encoder(encoder, train, t, seed=0, k=(5,)) for t in (test, shuffled))
    assert one.linear.c == other.linear.c and one.linear.held_out == other.linear.held_out
    assert one.linear.accuracy != other.linear.accuracy


def test_the_encoder_and_the_generators_are_as_they_were(encoder, loader):
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    weights = encoder.net[1].weight.clone()
    evaluate_encoder(encoder, loader(60), loader(30, seed=1), seed=4, k=(5,))
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert torch.equal(encoder.net[1].weight, weights)


def test_unlabelled_images_among_labelled_ones_are_left_out(encoder, loader):
    def hide(label):
        return torch.where(torch.arange(len(label)) == 0, -1, label)

    scores = evaluate_encoder(encoder, with_labels(loader(60), hide), loader(30), seed=0, k=(5,))
    assert scores.n_train == 60 - len(loader(60))


def test_a_k_larger_than_the_training_set_is_left_out(encoder, loader):
    scores = evaluate_encoder(encoder, loader(60), loader(30), seed=0, k=(20, 60, 61, 200))
    assert (list(scores.knn), scores.left_out) == ([20, 60], (61, 200))
    assert (
        scores.knn[20] == evaluate_encoder(encoder, loader(60), loader(30), seed=0, k=[20]).knn[20]
    )
    usual = evaluate_encoder(encoder, loader(60), loader(30), seed=0)
    assert (list(usual.knn), usual.left_out) == ([20], (200,))


def test_needs_labels(encoder, loader):
    unlabelled = with_labels(loader(30), lambda label: torch.full_like(label, -1))
    with pytest.raises(ValueError, match="needs labels, and the 30 training images have none"):
        evaluate_encoder(encoder, unlabelled, loader(30), seed=0, k=(5,))
    with pytest.raises(ValueError, match="needs labels, and the 30 test images have none"):
        evaluate_encoder(encoder, loader(30), unlabelled, seed=0, k=(5,))
    several = with_labels(loader(30), lambda label: torch.ones(len(label), 4).bool())
    with pytest.raises(
        ValueError, match=r"of the same K classes, got labels \(30, 4\) and \(30,\)"
    ):
        evaluate_encoder(encoder, several, loader(30), seed=0, k=(5,))


def test_says_what_does_not_fit(encoder, loader):
    for k in ((61, 200), ()):
        with pytest.raises(ValueError, match=r"k=\[.*\] needs at least one k .* there are 60"):
            evaluate_encoder(encoder, loader(60), loader(30), seed=0, k=k)
    with pytest.raises(ValueError, match="all 30 are of class 0"):
        evaluate_encoder(encoder, loader(30, classes=1), loader(30), seed=0, k=(5,))
    with pytest.raises(ValueError, match=r"no training image has: \[3\]"):
        evaluate_encoder(encoder, loader(30), loader(30, classes=4), seed=0, k=(5,))


def test_features_that_are_not_finite_are_named(encoder, loader):
    encoder.net[1].weight.data[0, 0] = float("nan")
    with pytest.raises(
        ValueError, match=r"pretrained encoder are not finite for 60 of 60 training"
    ):
        evaluate_encoder(encoder, loader(60), loader(30), seed=0, k=(5,))


def test_loaders_of_label_sets_are_scored_by_map(encoder, loader, monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 100)
    monkeypatch.setattr("sslkit.evaluation.label_set_figures.RESAMPLES", 5)

    def as_sets(label):
        return torch.eye(3, dtype=torch.bool)[label] | torch.eye(3, dtype=torch.bool)[0]

    train, test = (with_labels(side, as_sets) for side in (loader(60), loader(30, seed=1)))
    scores = evaluate_encoder(encoder, train, test, seed=0, k=(5,))
    assert scores.metric == "mAP" and scores.num_classes == 3
    assert scores.figures()["sweep"] > 0.6 and scores.linear is None
