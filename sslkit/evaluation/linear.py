"""The linear probe: L2-regularised multinomial logistic regression on frozen features.

N images to fit, M to score, F feature width, K classes. C is scikit-learn's inverse penalty: the
larger, the less regularised.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sslkit.data.holdout import hold_out
from sslkit.predictions import right

GRID = tuple(10.0**exponent for exponent in range(-4, 3))
HELD_OUT = 0.2
MAX_ITERATIONS = 2000
# Bytes of features that are standardised at once; what scikit-learn makes of them on the way is
# three times as large.
_HELD = 2**27


@dataclass(frozen=True)
class LinearResult:
    """What the linear probe found.

    Attributes:
        accuracy: Share of the test images that are classified rightly, 0 to 1.
        c: The chosen inverse penalty.
        held_out: For each C of the grid, the accuracy on the held-out part of the training set.
        predicted: The predicted class of every test image, where it is kept; not compared.
        probabilities: ``(M, K)`` of every class 0 to K − 1, where they are kept; not compared.
    """

    accuracy: float
    c: float
    held_out: dict[float, float]
    predicted: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)
    probabilities: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


def linear_probe(
    train: tuple[NDArray[Any], NDArray[Any]],
    test: tuple[NDArray[Any], NDArray[Any]],
    *,
    seed: int,
    grid: Sequence[float] = GRID,
) -> LinearResult:
    """Choose C on a part of the training set, fit on all of it, score on the test set.

    Features are standardised by the mean and std of the rows that are fitted. Memory is that of a
    copy of them, beside a few hundred MB: the features themselves may be memory-mapped.

    Args:
        train: Features ``(N, F)`` and labels ``(N,)`` to fit.
        test: Features and labels to score, or label sets ``(M, K)`` bool, any class of which is
            right; they are read after everything is fitted.
        seed: Of the split that holds out a part of the training set.
        grid: The values of C to choose from.

    Returns:
        Accuracy, the chosen C, how every C did, and what was predicted.

    Raises:
        ValueError: If the labels have fewer than two classes, every class has a single image, or
            the grid is empty or not positive.
    """
    return linear_probes(train, test, seeds=[seed], grid=grid)[0]


def linear_probes(
    train: tuple[NDArray[Any], NDArray[Any]],
    test: tuple[NDArray[Any], NDArray[Any]],
    *,
    seeds: Sequence[int],
    grid: Sequence[float] = GRID,
) -> list[LinearResult]:
    """`linear_probe` with several seeds, which is quicker: a C is fitted on all rows but once.

    Args:
        train: See `linear_probe`.
        test: See `linear_probe`.
        seeds: Of the splits.
        grid: See `linear_probe`.

    Returns:
        One result for each seed.

    Raises:
        ValueError: See `linear_probe`.
    """
    chosen = [choose_c(*train, seed=seed, grid=grid) for seed in seeds]
    fits = {c: fit_at(train, test, c) for c, _ in chosen}
    return [replace(fits[c], held_out=held_out) for c, held_out in chosen]


def fit_at(
    train: tuple[NDArray[Any], NDArray[Any]], test: tuple[NDArray[Any], NDArray[Any]], c: float
) -> LinearResult:
    """Fit on all rows with a C that is given, and score.

    Args:
        train: Features ``(N, F)`` and labels ``(N,)``.
        test: Features ``(M, F)`` and labels ``(M,)``, or label sets ``(M, K)``.
        c: The inverse penalty.
    """
    scaler, fitted = _standardised(train[0], np.arange(len(train[0])))
    classifier = _classifier().set_params(C=c)
    _fit(classifier, fitted, train[1])
    del fitted
    predicted = np.empty(len(test[0]), dtype=train[1].dtype)
    # Of every class, also those between that no training image has.
    probabilities = np.zeros((len(test[0]), int(train[1].max()) + 1), dtype=np.float32)
    for rows in _parts(test[0], np.arange(len(test[0]))):
        given = np.asarray(scaler.transform(test[0][rows]))
        predicted[rows] = classifier.predict(given)
        probabilities[rows[:, None], classifier.classes_] = classifier.predict_proba(given)
    accuracy = float(np.mean(right(predicted, test[1])))
    return LinearResult(accuracy, c, {}, predicted, probabilities)


def choose_c(
    features: NDArray[Any], labels: NDArray[Any], *, seed: int, grid: Sequence[float] = GRID
) -> tuple[float, dict[float, float]]:
    """The C that does best on a stratified fifth of the rows, fitted on the others.

    Args:
        features: ``(N, F)``.
        labels: ``(N,)``.
        seed: Of the split.
        grid: The values to choose from.

    Returns:
        The best C (of equals, the most regularised) and the held-out accuracy of every C.

    Raises:
        ValueError: See `linear_probe`.
    """
    if not grid or min(grid) <= 0:
        raise ValueError(f"the linear probe's grid must hold positive values of C, got {grid}.")
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"the linear probe needs at least two classes, and every label is {labels[0]}."
        )
    held = _held_out(labels, seed)
    scaler, fitted = _standardised(features, np.flatnonzero(~held))
    probed = _transformed(scaler, features, np.flatnonzero(held))
    # From the strongest penalty up, each fit starting where the last ended: much faster.
    classifier = _classifier().set_params(warm_start=True)
    scores: dict[float, float] = {}
    for c in sorted(grid):
        _fit(classifier.set_params(C=c), fitted, labels[~held])
        scores[c] = float(classifier.score(probed, labels[held]))
    return max(scores, key=lambda c: (scores[c], -c)), scores


def _standardised(
    features: NDArray[Any], rows: NDArray[np.intp]
) -> tuple[StandardScaler, NDArray[Any]]:
    """What standardises the chosen rows ``(n,)``, and those rows ``(n, F)``."""
    scaler = StandardScaler()
    for part in _parts(features, rows):
        scaler.partial_fit(features[part])
    return scaler, _transformed(scaler, features, rows)


def _transformed(
    scaler: StandardScaler, features: NDArray[Any], rows: NDArray[np.intp]
) -> NDArray[Any]:
    """The chosen rows ``(n,)``, standardised: ``(n, F)``, and nothing else of that size."""
    dtype = np.asarray(scaler.transform(features[rows[:1]])).dtype
    found = np.empty((len(rows), features.shape[1]), dtype=dtype)
    start = 0
    for part in _parts(features, rows):
        found[start : start + len(part)] = scaler.transform(features[part])
        start += len(part)
    return found


def _parts(features: NDArray[Any], rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows ``(n,)``, a part after another."""
    size = max(1, _HELD // (features.itemsize * features.shape[1]))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _held_out(labels: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """Mark a fifth of the ``(N,)`` rows, of every class that has two at least one."""
    classes = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
    held = hold_out(classes, HELD_OUT, torch.Generator().manual_seed(seed))
    if not held.any():
        raise ValueError(
            f"the linear probe cannot hold out a part of {len(labels)} training images, one for "
            "each class: give it at least two labelled training images of some class."
        )
    return held.numpy()


def _classifier() -> LogisticRegression:
    return LogisticRegression(solver="lbfgs", max_iter=MAX_ITERATIONS)


def _fit(classifier: LogisticRegression, features: NDArray[Any], labels: NDArray[Any]) -> None:
    # One thread: the small products of each iteration leave several threads waiting for each other
    # (minutes instead of seconds on a busy machine), and the figures do not depend on the cores.
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=1):
        warnings.simplefilter("always")
        classifier.fit(features, labels)
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
            continue
        warnings.warn(
            f"the linear probe at C={classifier.C:g} had not converged after {MAX_ITERATIONS} "
            "iterations: its accuracy may be a little low. Features of very different scale or "
            "nearly separable classes do this.",
            stacklevel=4,
        )
