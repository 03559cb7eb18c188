"""Few labels: class-balanced parts of a training set, fixed by a seed.

N images, k of them in a class. For one seed, smaller parts lie within larger ones.
"""

import torch
from torch import Tensor

from sslkit.seeding import counter_generator


def label_fraction(labels: Tensor, fraction: float, *, seed: int) -> Tensor:
    """A share of the labelled images, as many of every class: the 1 % and 10 % protocols.

    Every class gives round(fraction · N / classes) images, at least one; a class that has fewer
    gives all it has.

    Args:
        labels: ``(N,)`` classes; unlabelled images (−1) are neither counted nor taken.
        fraction: In (0, 1].
        seed: Of the draw.

    Returns:
        ``(n,)`` int64 rows, ascending.

    Raises:
        ValueError: If ``fraction`` is out of range, there are no labels, or several an image.
    """
    if not 0 < fraction <= 1:
        raise ValueError(
            f"fraction must lie in (0, 1], got {fraction}: 0.01 stands for 1 % of the labels."
        )
    _check(labels)
    owned = labels[labels >= 0]
    each = max(1, round(fraction * len(owned) / len(owned.unique())))
    return _first_of_every_class(labels, each, seed)


def k_shot(labels: Tensor, k: int, *, seed: int) -> Tensor:
    """K images of every class.

    Args:
        labels: ``(N,)`` classes; unlabelled images (−1) are not taken.
        k: At least 1.
        seed: Of the draw.

    Returns:
        ``(k * classes,)`` int64 rows, ascending.

    Raises:
        ValueError: If a class has fewer than k images, k is below 1, there are no labels, or
            several an image.
    """
    if k < 1:
        raise ValueError(f"k_shot() needs k of at least 1 image a class, got {k}.")
    _check(labels)
    classes, sizes = labels[labels >= 0].unique(return_counts=True)
    short = [(int(c), int(n)) for c, n in zip(classes, sizes, strict=True) if n < k]
    if short:
        shown = ", ".join(f"class {c} has {n}" for c, n in short[:5])
        raise ValueError(
            f"k_shot() needs k={k} images of every class, and {len(short)} of {len(classes)} "
            f"classes have fewer: {shown}{', ...' if len(short) > 5 else ''}. Use a k of at most "
            f"{int(sizes.min())}, or leave these classes out."
        )
    return _first_of_every_class(labels, k, seed)


def _first_of_every_class(labels: Tensor, count: int, seed: int) -> Tensor:
    """The first rows of each class in one random order, which makes the parts nested."""
    order = torch.randperm(len(labels), generator=counter_generator(seed))
    order = order[labels.cpu()[order] >= 0]
    order = order[torch.argsort(labels.cpu()[order], stable=True)]
    _, sizes = torch.unique_consecutive(labels.cpu()[order], return_counts=True)
    parts = [rows[:count] for rows in order.split(sizes.tolist())]
    return torch.cat(parts).sort().values


def _check(labels: Tensor) -> None:
    if labels.ndim != 1:
        raise ValueError(
            "a class-balanced part needs one class an image, (N,) labels, got shape "
            f"{tuple(labels.shape)}."
        )
    if not bool((labels >= 0).any()):
        raise ValueError(
            f"a class-balanced part needs labels, and all {len(labels)} images are unlabelled."
        )
