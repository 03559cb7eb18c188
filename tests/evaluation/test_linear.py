import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sslkit.evaluation import linear, linear_probe


def blobs(count: int = 240, classes: int = 4, seed: int = 0):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = np.random.default_rng(99).normal(size=(classes, 6))
    features = 10 + (centres[labels] + random.normal(size=(count, 6))) * np.arange(1, 7)
    return features.astype(np.float32), labels


def test_equals_the_plain_scikit_learn_pipeline():
    train, test = blobs(), blobs(seed=1)
    result = linear_probe(train, test, seed=3)
    held = linear._held_out(train[1], 3)
    scores = {}
    for c in linear.GRID:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000))
        model.fit(train[0][~held], train[1][~held])
        scores[c] = model.score(train[0][held], train[1][held])
    assert result.held_out == pytest.approx(scores, abs=0.03)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=result.c, max_iter=5000))
    assert result.accuracy == pytest.approx(model.fit(*train).score(*test), abs=0.005)
    assert 0.4 < result.accuracy < 1


def test_the_test_set_has_no_say_in_the_fit():
    train, (features, labels) = blobs(), blobs(seed=1)
    shuffled = np.random.default_rng(0).permutation(labels)
    honest = linear_probe(train, (features, labels), seed=0)
    blind = linear_probe(train, (features, shuffled), seed=0)
    moved = linear_probe(train, (features * 100 + 7, labels), seed=0)
    assert honest.c == blind.c == moved.c
    assert honest.held_out == blind.held_out == moved.held_out
    assert blind.accuracy < honest.accuracy


def test_ordinary_sizes_are_what_scikit_learn_gives_bit_for_bit():
    train, test = blobs(), blobs(seed=1)
    found = linear.fit_at(train, test, 0.1)
    scaler = StandardScaler()
    plain = linear._classifier().set_params(C=0.1).fit(scaler.fit_transform(train[0]), train[1])
    expected = plain.predict_proba(scaler.transform(test[0]))
    assert np.array_equal(found.probabilities, expected.astype(np.float32))
    assert np.array_equal(found.predicted, expected.argmax(1))


@pytest.mark.parametrize("rows", [1, 7, 100, 191])
def test_parts_that_are_standardised_change_nothing(monkeypatch, rows):
    train, test = blobs(), blobs(seed=1)
    whole = linear_probe(train, test, seed=3, grid=(0.01, 1.0))
    monkeypatch.setattr(linear, "_HELD", rows * 6 * 4)
    parts = linear_probe(train, test, seed=3, grid=(0.01, 1.0))
    assert (parts.c, parts.accuracy) == (whole.c, whole.accuracy)
    assert parts.held_out == whole.held_out
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-4)


def test_no_more_than_a_part_is_standardised_at_once(monkeypatch):
    seen = []

    class Watched(StandardScaler):
        def partial_fit(self, X, *rest, **kwargs):
            seen.append(X.nbytes)
            return super().partial_fit(X, *rest, **kwargs)

        def transform(self, X, *rest, **kwargs):
            seen.append(X.nbytes)
            return super().transform(X, *rest, **kwargs)

    monkeypatch.setattr(linear, "StandardScaler", Watched)
    monkeypatch.setattr(linear, "_HELD", 50 * 6 * 4)
    linear_probe(blobs(), blobs(seed=1), seed=0, grid=(1.0,))
    assert max(seen) == 50 * 6 * 4


def test_takes_the_most_regularised_of_equally_good_strengths():
    labels = np.arange(80) % 4
    features = np.eye(4)[labels]  # every C separates the classes
    c, scores = linear.choose_c(features, labels, seed=0, grid=(10.0, 0.1, 1.0))
    assert set(scores.values()) == {1.0}
    assert c == 0.1


def test_the_held_out_part_is_a_stratified_fifth_that_follows_the_seed():
    labels = np.repeat(["a", "b", "c"], [50, 10, 3])
    held = linear._held_out(labels, 0)
    assert [int(held[labels == label].sum()) for label in "abc"] == [10, 2, 1]
    assert np.array_equal(held, linear._held_out(labels, 0))
    assert not np.array_equal(held, linear._held_out(labels, 1))


def test_a_class_with_one_row_is_fitted_not_held_out():
    labels = np.array([0, 0, 0, 1, 1, 2])
    held = linear._held_out(labels, 0)
    assert [int(held[labels == label].sum()) for label in range(3)] == [1, 1, 0]
    features = np.random.default_rng(0).normal(size=(6, 3))
    linear_probe((features, labels), (features, labels), seed=0)


def test_says_why_it_cannot_fit():
    features = np.zeros((3, 2))
    with pytest.raises(ValueError, match="at least two labelled training images"):
        linear.choose_c(features, np.array([0, 1, 2]), seed=0)
    with pytest.raises(ValueError, match="two classes, and every label is 4"):
        linear.choose_c(features, np.array([4, 4, 4]), seed=0)
    with pytest.raises(ValueError, match="positive values of C"):
        linear.choose_c(features, np.array([0, 1, 1]), seed=0, grid=(0.0, 1.0))


def test_warns_when_a_fit_has_not_converged(monkeypatch):
    monkeypatch.setattr(linear, "MAX_ITERATIONS", 2)
    with pytest.warns(UserWarning, match="at C=1 had not converged after 2 iterations"):
        linear_probe(blobs(), blobs(seed=1), seed=0, grid=(1.0,))


@pytest.mark.filterwarnings("error")
def test_normal_cases_converge_without_a_warning():
    linear_probe(blobs(), blobs(seed=1), seed=0)
