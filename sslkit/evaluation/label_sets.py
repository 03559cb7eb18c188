"""Figures for images of several classes: mean average precision, ReaL, variable top-k.

N images, K classes; label sets are ``(N, K)`` bool.
"""

import torch
from torch import Tensor


def average_precision(scores: Tensor, label_sets: Tensor) -> Tensor:
    """The average precision of each class: the area under its precision-recall steps.

    AP = Σ_t (R_t − R_{t−1}) · P_t over the distinct scores t, from the highest on, as
    scikit-learn defines it: images of equal score are one step, so their order has no say.

    Args:
        scores: ``(N, K)`` finite; any that rank the images of a class.
        label_sets: ``(N, K)`` bool.

    Returns:
        ``(K,)`` float64, 0 to 1; NaN for a class that no image has.

    Raises:
        ValueError: If the shapes differ, there are no images, or a score is not finite.
    """
    _check(scores, label_sets)
    ordered, order = scores.sort(dim=0, descending=True)
    hit = label_sets.gather(0, order).double()
    rank = torch.arange(1, len(hit) + 1, dtype=torch.float64, device=hit.device).unsqueeze(1)
    precision = hit.cumsum(0) / rank
    # Images of equal score share the precision at the last of them: the nearest end from below.
    last = torch.ones_like(label_sets)
    last[:-1] = ordered[:-1] != ordered[1:]
    end = torch.where(last, rank.long() - 1, len(hit)).flip(0).cummin(0).values.flip(0)
    return (hit * precision.gather(0, end)).sum(0) / hit.sum(0)


def mean_average_precision(scores: Tensor, label_sets: Tensor) -> float:
    """Mean over classes of `average_precision`; classes that no image has are left out.

    Args:
        scores: ``(N, K)``.
        label_sets: ``(N, K)`` bool.

    Returns:
        0 to 1.

    Raises:
        ValueError: If no image has a class; see also `average_precision`.
    """
    each = average_precision(scores, label_sets)
    if each.isnan().all():
        raise ValueError("mAP needs an image of at least one class, and every label set is empty.")
    return float(each.nanmean())


def real_hits(predicted: Tensor, label_sets: Tensor) -> tuple[Tensor, Tensor]:
    """Whether the predicted class is one of the image's classes, where it has any.

    ReaL accuracy of Beyer et al., "Are we done with ImageNet?" (2020), is the mean: images whose
    annotators found no class do not count.

    Args:
        predicted: ``(N,)`` classes 0 to K − 1, or ``(N, K)`` scores whose highest counts.
        label_sets: ``(N, K)`` bool, row by row of the same images: line up by file name.

    Returns:
        ``(n,)`` bool, and the ``(n,)`` int64 rows of the images that count.

    Raises:
        ValueError: If the shapes do not fit together, a class is none of the K, or every set is
            empty.
    """
    classes = predicted.argmax(dim=1) if predicted.ndim == 2 else predicted
    if label_sets.ndim != 2 or classes.shape != label_sets.shape[:1]:
        raise ValueError(
            "real_hits() takes classes (N,) or scores (N, K) and label sets (N, K), got "
            f"{tuple(predicted.shape)} and {tuple(label_sets.shape)}."
        )
    if not bool(((classes >= 0) & (classes < label_sets.shape[1])).all()):
        raise ValueError(
            f"real_hits() takes classes from 0 to K - 1 = {label_sets.shape[1] - 1}, got "
            f"{int(classes.min())} to {int(classes.max())}: predictions and label sets must share "
            "one list of classes."
        )
    rows = _rows_with_labels(label_sets, "real_hits()")
    return label_sets[rows, classes[rows].long()].bool(), rows


def variable_top_k(scores: Tensor, label_sets: Tensor) -> tuple[Tensor, Tensor]:
    """The share of an image's classes among as many highest scores: |top_k ∩ labels| / k, k = its.

    The variable top-k of Anzaku et al., "The impact of the single-label assumption in image
    recognition benchmarking" (2024). With one class an image it is top-1.

    Args:
        scores: ``(N, K)`` finite.
        label_sets: ``(N, K)`` bool, row by row of the same images.

    Returns:
        ``(n,)`` float64, 0 to 1, and the ``(n,)`` int64 rows of the images that have classes.

    Raises:
        ValueError: See `average_precision`; or if every set is empty.
    """
    _check(scores, label_sets)
    rows = _rows_with_labels(label_sets, "variable_top_k()")
    sets = label_sets[rows]
    count = sets.sum(dim=1)
    top = scores[rows].topk(int(count.max()), dim=1).indices
    asked = torch.arange(top.shape[1], device=top.device) < count.unsqueeze(1)
    return (sets.gather(1, top) & asked).sum(dim=1).double() / count, rows


def by_label_count(figures: Tensor, label_sets: Tensor) -> dict[int, tuple[float, int]]:
    """The mean of per-image figures among the images with 1, 2, ... classes.

    A mean over all images is mostly that of the images of one class; the groups show whether a
    model fails where there are several.

    Args:
        figures: ``(n,)`` of `real_hits` or `variable_top_k`.
        label_sets: ``(n, K)`` bool of the same images: index the sets by the rows that count.

    Returns:
        For each number of classes that occurs, in order, the mean and the number of images.

    Raises:
        ValueError: If there is not one figure for each image.
    """
    if label_sets.ndim != 2 or figures.shape != label_sets.shape[:1]:
        raise ValueError(
            "by_label_count() takes figures (n,) and label sets (n, K) of the same images, got "
            f"{tuple(figures.shape)} and {tuple(label_sets.shape)}."
        )
    count = label_sets.sum(dim=1)
    groups = {int(size): figures[count == size].double() for size in count.unique()}
    return {size: (float(group.mean()), len(group)) for size, group in groups.items()}


def _check(scores: Tensor, label_sets: Tensor) -> None:
    if scores.ndim != 2 or scores.shape != label_sets.shape or not len(scores):
        raise ValueError(
            "scores and label sets must both be (N, K) with N >= 1, got "
            f"{tuple(scores.shape)} and {tuple(label_sets.shape)}."
        )
    if label_sets.dtype != torch.bool:
        raise ValueError(f"label sets must be bool (N, K), got {label_sets.dtype}.")
    if not bool(scores.isfinite().all()):
        raise ValueError("scores must be finite to be ranked, and some are not.")


def _rows_with_labels(label_sets: Tensor, caller: str) -> Tensor:
    rows = label_sets.any(dim=1).nonzero().flatten()
    if not len(rows):
        raise ValueError(f"{caller} needs an image with a class, and every label set is empty.")
    return rows
