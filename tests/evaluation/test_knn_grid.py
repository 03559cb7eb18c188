import math

import pytest
import torch
from largest import Largest
from sklearn.neighbors import KNeighborsClassifier

from sslkit.evaluation import Features, Vote, knn, knn_grid
from sslkit.evaluation.held_out import held_out_rows


def blobs(count, seed, classes=4, width=3):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % classes
    return Features(centres[labels] + torch.randn(count, width, generator=generator), labels)


def double_loop(train, test, vote, temperature, skip=None):
    """The predicted class of each test image; of training image `skip[i]` no vote for image i."""
    found = []
    for i, query in enumerate(test.features.double().tolist()):
        near = []
        for j, row in enumerate(train.features.double().tolist()):
            dot = sum(a * b for a, b in zip(query, row, strict=True))
            cosine = dot / (math.hypot(*query) * math.hypot(*row))
            if skip is None or j != skip[i]:
                near.append((cosine, int(train.labels[j])))
        near.sort(reverse=True)
        votes = [0.0] * 4
        for cosine, label in near[: vote.k]:
            votes[label] += math.exp(cosine / temperature) if vote.weight == "weighted" else 1
        found.append(votes.index(max(votes)))
    return torch.tensor(found)


def test_equals_a_double_loop_weighted_and_unweighted():
    train, test = blobs(47, 0), blobs(22, 1)
    result = knn_grid(train, test, seed=0, k=(9, 1, 4, 46), temperature=0.2)
    assert set(result.predicted) == {
        Vote(k, weight) for k in (1, 4, 9, 46) for weight in ("weighted", "unweighted")
    }
    for vote, predicted in result.predicted.items():
        slow = double_loop(train, test, vote, 0.2)
        assert torch.equal(predicted, slow), vote
        assert result.accuracy[vote] == (slow == test.labels).double().mean()
    weighted, unweighted = (result.predicted[Vote(46, weight)] for weight in knn.WEIGHTS)
    assert not torch.equal(weighted, unweighted)


def test_unweighted_votes_are_those_of_scikit_learn():
    train, test = blobs(60, 0), blobs(40, 1)
    result = knn_grid(train, test, seed=0, k=(3, 10))
    for k in (3, 10):
        reference = KNeighborsClassifier(k, metric="cosine", algorithm="brute")
        reference.fit(train.features, train.labels)
        expected = torch.from_numpy(reference.predict(test.features))
        assert torch.equal(result.predicted[Vote(k, "unweighted")], expected)


def test_the_vote_is_chosen_on_training_images_that_do_not_vote_for_themselves(monkeypatch):
    train, test = blobs(47, 0), blobs(22, 1)
    result = knn_grid(train, test, seed=2, k=(1, 4, 9), temperature=0.2)
    own = held_out_rows(train.labels, 2).nonzero().flatten()
    part = Features(train.features[own], train.labels[own])
    for vote, accuracy in result.held_out.items():
        slow = double_loop(train, part, vote, 0.2, skip=own.tolist())
        assert accuracy == (slow == part.labels).double().mean(), vote
    assert result.held_out[result.chosen] == max(result.held_out.values())
    monkeypatch.setattr(knn, "CHOSEN_ON", 3)
    fewer = knn_grid(train, test, seed=2, k=(1, 4, 9), temperature=0.2)
    assert all(3 * value == pytest.approx(round(3 * value)) for value in fewer.held_out.values())


def test_identical_images_are_told_apart_by_number():
    # Twins of other classes: an image that were dropped by its cosine could take its twin along.
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).repeat_interleave(2, 0)
    train = Features(rows, torch.arange(12) % 2)
    result = knn_grid(train, train, seed=0, k=(1,))
    assert result.held_out == {Vote(1, "weighted"): 0.0, Vote(1, "unweighted"): 0.0}


def test_many_copies_of_an_image_leave_its_number_of_neighbours():
    train = Features(torch.ones(30, 2), torch.arange(30) % 3)
    result = knn_grid(train, train, seed=0, k=(2, 5))
    assert len(result.predicted[Vote(5, "weighted")]) == 30


@pytest.mark.parametrize("block", [1, 9, 40])
def test_a_bank_in_parts_changes_nothing(monkeypatch, block):
    train, test = blobs(47, 0), blobs(40, 1)
    whole = knn_grid(train, test, seed=0, k=(1, 5))
    monkeypatch.setattr("sslkit.functional.knn._BANK_ROWS", block)
    parts = knn_grid(train, test, seed=0, k=(1, 5))
    assert whole.accuracy == parts.accuracy
    assert whole.held_out == parts.held_out
    assert all(torch.equal(found, parts.predicted[vote]) for vote, found in whole.predicted.items())


def test_training_features_are_never_copied(monkeypatch):
    monkeypatch.setattr("sslkit.functional.knn._BANK_ROWS", 50)
    monkeypatch.setattr("sslkit.evaluation.usable._ROWS", 50)
    monkeypatch.setattr(knn, "CHOSEN_ON", 50)
    train, test = blobs(2000, 0, width=40), blobs(20, 1, width=40)
    with Largest() as memory:
        knn_grid(train, test, seed=0, k=(1, 5))
    assert memory.made <= 50 * 50 + 2000  # of 80,000; the other 2000 are labels and row numbers


def test_the_test_set_has_no_say_in_the_choice():
    train, test = blobs(47, 0), blobs(22, 1)
    honest = knn_grid(train, test, seed=0, k=(1, 5))
    blind = knn_grid(train, Features(test.features, test.labels.flip(0)), seed=0, k=(1, 5))
    assert (honest.chosen, honest.held_out) == (blind.chosen, blind.held_out)


def test_unlabelled_images_are_left_out_and_large_k_is_named():
    train, test = blobs(47, 0), blobs(22, 1)
    labels = torch.cat([train.labels, torch.tensor([-1])])
    more = Features(torch.cat([train.features, test.features[:1]]), labels)
    hidden = test.labels.clone()
    hidden[0] = -1
    result = knn_grid(more, Features(test.features, hidden), seed=0, k=(1, 47, 200))
    assert result.left_out == (47, 200)
    plain = knn_grid(train, test, seed=0, k=(1,))
    vote = Vote(1, "weighted")
    assert torch.equal(result.predicted[vote], plain.predicted[vote][1:])
    assert result.index is not None
    assert result.index.tolist() == list(range(1, 22))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": (47, 50)}, r"smaller than the number of labelled training images, 47"),
        ({"k": (0, 3)}, "at least 1"),
        ({"k": ()}, "at least 1"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_says_what_is_wrong_with_the_settings(change, message):
    with pytest.raises(ValueError, match=message):
        knn_grid(blobs(47, 0), blobs(22, 1), **({"seed": 0} | change))


def test_says_what_is_wrong_with_the_features():
    train, test = blobs(47, 0), blobs(22, 1)
    with pytest.raises(ValueError, match="at least two classes"):
        knn_grid(Features(train.features, torch.zeros(47, dtype=torch.long)), test, seed=0)
    with pytest.raises(ValueError, match="several classes an image"):
        knn_grid(Features(train.features, torch.ones(47, 4, dtype=torch.bool)), test, seed=0)
    with pytest.raises(ValueError, match=r"queries \(22, 2\)"):
        knn_grid(train, Features(test.features[:, :2], test.labels), seed=0, k=(1,))
    with pytest.raises(ValueError, match="not finite for 22 of 22 test"):
        knn_grid(train, Features(test.features / 0, test.labels), seed=0)
    with pytest.raises(ValueError, match="no training image has"):
        knn_grid(train, blobs(22, 1, classes=5), seed=0)
