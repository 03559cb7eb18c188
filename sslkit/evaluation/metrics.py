"""Figures of predictions for images of one class each: hits, per class, confusion, calibration.

More on sets of classes is in `sslkit.evaluation.label_sets`. N images, C classes. Confidence
intervals of what is a mean over images: `bootstrap_interval` and `paired_bootstrap`, from
`sslkit.bootstrap`.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from sslkit.bootstrap import LEVEL, bootstrap_interval, paired_bootstrap

__all__ = [
    "OverSeeds",
    "bootstrap_figure",
    "bootstrap_interval",
    "calibration_error",
    "confusion_matrix",
    "over_seeds",
    "paired_bootstrap",
    "per_class_accuracy",
    "top1_hits",
]


class OverSeeds(NamedTuple):
    """Mean and sample standard deviation (n − 1) over seeds; the std of a single seed is NaN."""

    mean: float
    std: float
    seeds: int


def top1_hits(predicted: Tensor, labels: Tensor) -> Tensor:
    """Which images are classified rightly; the mean is the top-1 accuracy.

    Args:
        predicted: ``(N,)`` classes, or ``(N, C)`` scores whose highest counts.
        labels: ``(N,)`` classes, none of them −1; or ``(N, K)`` bool label sets, any class of which
            is right, none of them empty.

    Returns:
        ``(N,)`` bool.

    Raises:
        ValueError: If the shapes do not fit together, an image is unlabelled, or a set is empty.
    """
    if labels.ndim == 2:
        return _hits_in_sets(predicted, labels)
    return _classes(predicted, labels) == labels


def _hits_in_sets(predicted: Tensor, label_sets: Tensor) -> Tensor:
    if label_sets.dtype != torch.bool or not bool(label_sets.any(dim=1).all()):
        raise ValueError(
            "label sets must be (N, K) bool, none of them empty, got "
            f"{tuple(label_sets.shape)} {label_sets.dtype} with "
            f"{int((~label_sets.bool().any(dim=1)).sum())} empty ones: leave such images out."
        )
    classes = _classes(predicted, torch.zeros(len(label_sets), dtype=torch.int64))
    known = classes < label_sets.shape[1]
    return label_sets.gather(1, classes.where(known, 0)[:, None]).squeeze(1) & known


def confusion_matrix(predicted: Tensor, labels: Tensor, *, num_classes: int) -> Tensor:
    """How many images of class i (row) were taken for class j (column).

    Args:
        predicted: ``(N,)`` classes, or ``(N, C)`` scores.
        labels: ``(N,)`` classes.
        num_classes: C.

    Returns:
        ``(C, C)`` int64.

    Raises:
        ValueError: If a class is outside 0 to C − 1; see also `top1_hits`.
    """
    found = _classes(predicted, labels).long()
    for name, classes in (("predicted", found), ("labels", labels)):
        if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
            raise ValueError(
                f"confusion_matrix() takes classes from 0 to num_classes - 1 = {num_classes - 1}, "
                f"and {name} has {int(classes.min())} to {int(classes.max())}."
            )
    cells = torch.bincount(labels.long() * num_classes + found, minlength=num_classes**2)
    return cells.view(num_classes, num_classes)


def per_class_accuracy(confusion: Tensor) -> Tensor:
    """The share of each class's images that are classified rightly.

    Args:
        confusion: ``(C, C)`` of `confusion_matrix`.

    Returns:
        ``(C,)`` float64; NaN for a class without images, which no mean should count as wrong.

    Raises:
        ValueError: If the matrix is not square.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(
            f"per_class_accuracy() takes a confusion matrix (C, C), got {tuple(confusion.shape)}."
        )
    return confusion.diagonal().double() / confusion.sum(dim=1)


def calibration_error(probabilities: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """Expected calibration error: how far the confidence is from the share that is right.

    Guo et al., "On calibration of modern neural networks" (2017), equation 3: images are put into
    equal bins of their highest probability; ECE is the mean over images of the distance between
    their bin's accuracy and mean confidence. By torchmetrics.

    Args:
        probabilities: ``(N, C)``, rows that sum to 1.
        labels: ``(N,)`` classes, 0 to C − 1.
        bins: How many, 15 in the paper.

    Returns:
        0 (calibrated) to 1.

    Raises:
        ValueError: If rows are no probabilities, there is no bin, a label is none of the C classes,
            or the shapes do not fit together.
    """
    _classes(probabilities, labels)
    if probabilities.ndim != 2 or bins < 1:
        raise ValueError(
            "calibration_error() takes probabilities (N, C) and at least one bin, got "
            f"{tuple(probabilities.shape)} and {bins}."
        )
    off = (probabilities.sum(dim=1) - 1).abs().max()
    # torchmetrics would take rows outside [0, 1] for logits, silently.
    if not (bool(off < 1e-3) and bool((probabilities >= 0).all())):
        raise ValueError(
            "calibration_error() takes probabilities that sum to 1 in each row, and these do not: "
            "put logits through softmax, and divide votes by their sum."
        )
    if int(labels.max()) >= probabilities.shape[1]:
        raise ValueError(
            f"calibration_error() has a label {int(labels.max())} and probabilities of only "
            f"{probabilities.shape[1]} classes: both must share one list of classes."
        )
    return float(
        multiclass_calibration_error(
            probabilities, labels, num_classes=probabilities.shape[1], n_bins=bins
        )
    )


def over_seeds(figures: Iterable[float]) -> OverSeeds:
    """Mean and std of one figure over runs that differ in their seed.

    Args:
        figures: One for each seed.

    Raises:
        ValueError: If there are none.
    """
    values = np.array(list(figures), dtype=np.float64)
    if not values.size:
        raise ValueError("over_seeds() needs the figure of at least one seed, and got none.")
    std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return OverSeeds(float(values.mean()), std, len(values))


def bootstrap_figure(
    figure: Callable[[Tensor], float],
    count: int,
    *,
    seed: int,
    level: float = LEVEL,
    resamples: int = 1000,
) -> tuple[float, float]:
    """The interval of a figure that is no mean over images, such as mAP or the calibration error.

    Args:
        figure: From the images that were drawn, ``(count,)`` row numbers with repetitions, to the
            figure of those images.
        count: Images in all.
        seed: Of the draws.
        level: The share of the resampled figures inside, in (0, 1).
        resamples: How often images are drawn; ``figure`` is called that often.

    Returns:
        The lower and upper end of the percentile interval.

    Raises:
        ValueError: If an argument is out of range, or a resampled figure is not finite.
    """
    if count < 1 or resamples < 1 or not 0 < level < 1:
        raise ValueError(
            "bootstrap_figure() needs at least one image and resample and a level in (0, 1), got "
            f"count={count}, resamples={resamples}, level={level}."
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = [figure(torch.randint(count, (count,), generator=generator)) for _ in range(resamples)]
    if not np.isfinite(drawn).all():
        raise ValueError(
            f"bootstrap_figure() got a figure that is not finite from some draws of {count} images:"
            " give it more images, or a figure that is defined for every draw."
        )
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _classes(predicted: Tensor, labels: Tensor) -> Tensor:
    """``(N,)`` predicted classes, when there is one label for each."""
    if labels.ndim != 1 or predicted.ndim not in (1, 2) or len(predicted) != len(labels):
        raise ValueError(
            "predictions must be classes (N,) or scores (N, C) and labels (N,), got "
            f"{tuple(predicted.shape)} and {tuple(labels.shape)}."
        )
    if not len(labels) or int(labels.min()) < 0:
        raise ValueError(
            f"there must be at least one image and a label for each, got {len(labels)} images, "
            f"{int((labels < 0).sum())} of them unlabelled (−1): leave those out."
        )
    return predicted if predicted.ndim == 1 else predicted.argmax(dim=1)
