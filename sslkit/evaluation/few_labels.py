"""The logistic regression on few labels: a share of them, or some images of every class.

N training images, M test images, F feature width.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sslkit.data.subsets import k_shot, label_fraction
from sslkit.evaluation.features import Features
from sslkit.evaluation.linear import LinearResult, fit_at, linear_probe
from sslkit.evaluation.linear_limits import why_not_fitted
from sslkit.evaluation.plan import Plan

# Where no class has two images, nothing can be held out to choose C on.
SINGLE_C = 1.0


class FewLabels(NamedTuple):
    """What was found with few labels.

    Attributes:
        results: Of each seed, which draws the images and the held-out part; without probabilities.
        images: How many training images there were.
    """

    results: list[LinearResult]
    images: int


def few_label_probes(
    train: Features, test: Features, plan: Plan, *, seeds: Sequence[int]
) -> tuple[dict[str, FewLabels], list[str]]:
    """Fit the logistic regression on every part of the labels that the plan names.

    Everything, the choice of C too, sees the labels of the part only.

    Args:
        train: Labelled, one class an image.
        test: Likewise.
        plan: Its fractions and shots.
        seeds: Of the parts.

    Returns:
        Under the name of each figure (``linear_1_percent``, ``linear_5_shot``) what was found; and
        for each number of shots that a class does not have, and each part that is too large to be
        fitted, a sentence that says so.
    """
    notes: list[str] = []
    parts: dict[str, list[Tensor]] = {
        fraction_name(share): [label_fraction(train.labels, share, seed=seed) for seed in seeds]
        for share in plan.fractions
    }
    sizes = train.labels.unique(return_counts=True)[1]
    smallest = int(sizes.min())
    for shots in plan.shots:
        if shots > smallest:
            notes.append(
                f"{shots} {'image' if shots == 1 else 'images'} of every class are left out: some "
                f"class has only {smallest}."
            )
            continue
        parts[shot_name(shots)] = [k_shot(train.labels, shots, seed=seed) for seed in seeds]
    found: dict[str, FewLabels] = {}
    for name, drawn in parts.items():
        refusal = why_not_fitted(len(drawn[0]), train.features.shape[1], len(sizes))
        if refusal is None:
            found[name] = _probe(train, test, drawn, seeds)
        else:
            notes.append(f"{name} is left out, as it {refusal}.")
    return found, notes


def fraction_name(share: float) -> str:
    """The name of a figure, such as ``linear_1_percent``."""
    return f"linear_{100 * share:g}_percent"


def shot_name(shots: int) -> str:
    """The name of a figure, such as ``linear_5_shot``."""
    return f"linear_{shots}_shot"


def _probe(
    train: Features, test: Features, parts: Sequence[Tensor], seeds: Sequence[int]
) -> FewLabels:
    scored = _arrays(test)
    results: list[LinearResult] = []
    for rows, seed in zip(parts, seeds, strict=True):
        part = _arrays(Features(train.features[rows], train.labels[rows]))
        single = int(np.unique(part[1], return_counts=True)[1].max()) < 2
        result = fit_at(part, scored, SINGLE_C) if single else linear_probe(part, scored, seed=seed)
        # Of every class and seed they may be gigabytes, and nothing reads them.
        results.append(replace(result, probabilities=None))
    return FewLabels(results, len(parts[0]))


def _arrays(features: Features) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return features.features.numpy(), features.labels.numpy()
