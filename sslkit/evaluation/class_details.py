"""What lies behind an accuracy: which classes are right, what is taken for what, how sure it is.

n scored images, C classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslkit.evaluation.metrics import (
    calibration_error,
    confusion_matrix,
    per_class_accuracy,
)

# A larger matrix would be most of the report; what it is counted from is in predictions.npz.
MOST_CLASSES = 100


@dataclass(frozen=True, eq=False)
class ClassDetails:
    """Of one probe's predictions.

    Attributes:
        per_class: ``(C,)`` share of each class's images that are right; NaN where it has none.
        confusion: ``(C, C)``, class by what it was taken for; None of over 100 classes.
        calibration: The expected calibration error, 15 bins. It has no bootstrap interval: what is
            drawn twice is as if it agreed with itself, so resamples have a larger error.
    """

    per_class: Tensor
    confusion: Tensor | None
    calibration: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a class without images is None."""
        shares = [None if share != share else share for share in self.per_class.tolist()]
        counts = None if self.confusion is None else self.confusion.tolist()
        return {"per_class": shares, "confusion": counts}


def class_details(
    predicted: NDArray[np.int64] | Tensor,
    probabilities: NDArray[np.float32] | Tensor,
    labels: Tensor,
) -> ClassDetails:
    """Look into the predictions of a probe.

    Args:
        predicted: ``(n,)`` classes.
        probabilities: ``(n, C)``, rows that sum to 1.
        labels: ``(n,)``, 0 to C − 1.

    Raises:
        ValueError: See `sslkit.evaluation.metrics`.
    """
    chances, classes = torch.as_tensor(probabilities), torch.as_tensor(predicted)
    counts = confusion_matrix(classes, labels, num_classes=chances.shape[1])
    return ClassDetails(
        per_class=per_class_accuracy(counts),
        confusion=counts if len(counts) <= MOST_CLASSES else None,
        calibration=calibration_error(chances, labels),
    )
