"""Classes that mean the same in every split: those of the training split's class list.

N images, K classes; labels of both kinds, see `sslkit.data.label_sets`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslkit.data.errors import DataError
from sslkit.data.label_sets import as_label_sets


def one_label(label: Any, name: str) -> int | Tensor:
    """One image's label, as a data set gives it: a class, or the set of its classes.

    Args:
        label: What `whole_label` takes; or ``(K,)`` bool, or whole numbers 0 and 1, K at least 2.
        name: The image that it belongs to.

    Returns:
        The class, −1 = unlabelled; or the set, ``(K,)`` bool.

    Raises:
        DataError: If it is something else.
    """
    if isinstance(label, Tensor | np.ndarray) and label.ndim == 1 and label.shape[0] >= 2:
        return as_label_sets(label, f"The label of {name}")
    return whole_label(label, name)


def whole_label(label: Any, name: str) -> int:
    """One label, as a data set gives it.

    Args:
        label: A whole number, or a tensor or array that holds one; None = unlabelled.
        name: The image that it belongs to.

    Returns:
        The number; −1 = unlabelled.

    Raises:
        DataError: If it is no whole number.
    """
    if label is None:
        return -1
    if isinstance(label, Tensor | np.ndarray) and math.prod(label.shape) == 1:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise DataError(
            f"The label of {name} is a {type(label).__name__}. A label must be a whole number, −1 "
            "or None for none; where images have several classes, a tensor of a bool for each "
            "class. Let the data set return the image alone if its labels are of another kind."
        )
    return int(label)


@dataclass(frozen=True)
class LabelMap:
    """From a split's own labels to the classes of the training split.

    Attributes:
        table: ``(K_split,)`` int64, the training split's index of each of the split's classes; or
            None, if they agree.
        num_classes: K of the training split, or None where it is not known (yet).
        split: Name of the split, for messages.
    """

    table: Tensor | None
    num_classes: int | None
    split: str

    def __call__(self, labels: Tensor) -> Tensor:
        """Labels by the training split's list of classes.

        Args:
            labels: ``(N,)`` int64, −1 = unlabelled; or ``(N, K_split)`` bool.

        Returns:
            ``(N,)`` int64, 0 to K−1, or −1; or ``(N, K)`` bool.

        Raises:
            DataError: If one is no class of the training split, or sets are of other classes.
        """
        if labels.ndim == 2:
            return self._sets(labels)
        known = self.num_classes if self.table is None else len(self.table)
        wrong = labels < -1 if known is None else (labels < -1) | (labels >= known)
        if bool(wrong.any()):
            value = int(labels[wrong][0])
            if value < -1:
                raise DataError(
                    f"The {self.split} split has the label {value}. Labels are 0 to classes − 1, "
                    "or −1 for unlabelled."
                )
            raise DataError(
                f"The {self.split} split has the label {value}, but the training split has only "
                f"{known} classes (0 to {int(known or 0) - 1}). Training, validation and test data "
                "must share one list of classes."
            )
        if self.table is None:
            return labels
        return torch.where(labels < 0, labels, self.table[labels.clamp(min=0)])

    def _sets(self, labels: Tensor) -> Tensor:
        known = self.num_classes if self.table is None else len(self.table)
        if known is not None and labels.shape[1] != known:
            raise DataError(
                f"The {self.split} split has label sets of {labels.shape[1]} classes, but there "
                f"are {known} classes. Training, validation and test data must share one list of "
                "classes: give the sets a column for each, in the same order."
            )
        if self.table is None:
            return labels
        placed = labels.new_zeros(len(labels), self.num_classes or int(self.table.max()) + 1)
        placed[:, self.table] = labels
        return placed


def map_classes(
    classes: list[str] | None,
    training: list[str] | None,
    num_classes: int | None,
    split: str,
) -> LabelMap:
    """Line up a split's classes with the training split's by their names.

    Args:
        classes: The split's class names, or None.
        training: The training split's class names, or None.
        num_classes: K of the training split, or None where it is not known.
        split: Name of the split, for messages.

    Raises:
        DataError: If the split has a class that the training split does not have.
    """
    if classes is None or training is None or classes == training:
        return LabelMap(None, num_classes, split)
    strange = sorted(set(classes) - set(training))
    if strange:
        shown = ", ".join(repr(name) for name in strange[:10])
        more = f" and {len(strange) - 10} more" if len(strange) > 10 else ""
        raise DataError(
            f"The {split} split has classes that the training split does not have: {shown}{more}. "
            f"The training split has {len(training)} classes, from {training[0]!r} to "
            f"{training[-1]!r}. Rename the classes to match, or remove those images."
        )
    index = {name: position for position, name in enumerate(training)}
    return LabelMap(torch.tensor([index[name] for name in classes]), num_classes, split)
