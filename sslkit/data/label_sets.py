"""Labels of two kinds: one class an image, or the set of its classes.

N images, K classes. Classes are ``(N,)`` int64, −1 = unlabelled; label sets are ``(N, K)`` bool,
and an empty one says that an image has none of the classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sslkit.data.errors import DataError


def as_label_sets(labels: Tensor | np.ndarray, name: str) -> Tensor:
    """Label sets of 0 and 1 as bool.

    Args:
        labels: ``(N, K)`` or ``(K,)`` bool, or whole numbers 0 and 1, K at least 2.
        name: What messages call them.

    Returns:
        The same as bool.

    Raises:
        DataError: If a number is neither, they are no whole numbers, or there is one class only.
    """
    array = np.asarray(labels)
    whole = array.dtype == np.bool_ or np.issubdtype(array.dtype, np.integer)
    if not whole or array.ndim not in (1, 2) or array.shape[-1] < 2:
        raise DataError(
            f"{name} is {array.dtype} {array.shape}. Label sets must be (images, classes), at "
            "least two classes, of bool or of 0 and 1 as whole numbers: 1 where an image has the "
            "class."
        )
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        raise DataError(
            f"{name} has the number {array[wrong][0]}. With a column for each class, as in "
            f"{array.shape}, a label must be 1 where an image has the class and 0 where not; what "
            "is not known (such as difficult objects) must be decided before."
        )
    return torch.from_numpy(array.astype(np.bool_))


def looks_like_sets(shape: Sequence[int], images: int) -> bool:
    """Whether labels of this shape have a column for each of several classes."""
    return len(shape) == 2 and shape[0] == images and shape[1] >= 2


def label_at(labels: Tensor, position: int) -> int | Tensor:
    """The class of one image, or its set ``(K,)`` bool."""
    return int(labels[position]) if labels.ndim == 1 else labels[position]


def joined(labels: Sequence[int | Tensor | None], name: Callable[[int], str]) -> Tensor:
    """The labels of n images together.

    Args:
        labels: A class or a set of each; None where it has not been read, which becomes −1 or an
            empty set.
        name: What messages call the image of a number.

    Returns:
        ``(n,)`` int64 or ``(n, K)`` bool.

    Raises:
        DataError: If some have a class and others a set, or sets are of different length.
    """
    sets = {len(label): row for row, label in enumerate(labels) if isinstance(label, Tensor)}
    if not sets:
        return torch.tensor([-1 if label is None else int(label) for label in labels])

    single = [row for row, label in enumerate(labels) if isinstance(label, int)]
    if single:
        row, other = single[0], next(iter(sets.values()))
        what = "no label" if labels[row] == -1 else "a class"
        raise DataError(
            f"{name(other)} has a label set and {name(row)} has {what}. Give every image a set of "
            "the same classes (an empty one for none of them), or every image one class."
        )
    if len(sets) > 1:
        (a, one), (b, other), *_ = sets.items()
        raise DataError(
            f"The label set of {name(one)} is of {a} classes and that of {name(other)} of {b}: all "
            "must be of the same classes."
        )
    (width,) = sets
    empty = torch.zeros(width, dtype=torch.bool)
    return torch.stack([label if isinstance(label, Tensor) else empty for label in labels])


def as_sets(labels: Tensor, num_classes: int) -> Tensor:
    """Labels of either kind as sets; an unlabelled image has an empty one.

    Args:
        labels: ``(N,)`` int64, or ``(N, K)`` bool, which is returned as it is.
        num_classes: K.

    Raises:
        DataError: If a class is none of the K.
    """
    if labels.ndim == 2:
        return labels
    if labels.numel() and int(labels.max()) >= num_classes:
        raise DataError(
            f"The class {int(labels.max())} is none of the {num_classes} that label sets have a "
            "column for: all must share one list of classes."
        )
    sets = torch.zeros(len(labels), num_classes, dtype=torch.bool, device=labels.device)
    rows = (labels >= 0).nonzero().flatten()
    sets[rows, labels[rows]] = True
    return sets


def sets_of(classes: Sequence[Sequence[int]], num_classes: int) -> Tensor:
    """Label sets from the classes of each image.

    Args:
        classes: Of N images, each class 0 to K - 1.
        num_classes: K.

    Returns:
        ``(N, K)`` bool.
    """
    sets = torch.zeros(len(classes), num_classes, dtype=torch.bool)
    rows = torch.tensor([row for row, own in enumerate(classes) for _ in own], dtype=torch.int64)
    columns = torch.tensor([one for own in classes for one in own], dtype=torch.int64)
    sets[rows, columns] = True
    return sets


def first_class(labels: Tensor) -> Tensor:
    """``(N,)`` int64: of sets the class of the lowest number, −1 for an empty one."""
    if labels.ndim == 1:
        return labels
    return torch.where(labels.any(dim=1), labels.int().argmax(dim=1), -1)


def any_label(labels: Tensor) -> bool:
    """Whether any image has a class."""
    return bool(labels.any() if labels.ndim == 2 else (labels >= 0).any())


def class_count(labels: Tensor | None) -> int | None:
    """K of labels of either kind; None if no image has a class."""
    if labels is None or not labels.numel() or not any_label(labels):
        return None
    return labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1


def classes_present(labels: Tensor) -> int:
    """How many classes some image has."""
    return int(labels.any(0).sum()) if labels.ndim == 2 else len(labels[labels >= 0].unique())
