"""What every scored image was and was taken for, in a file beside the evaluation. Without torch.

n scored images.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "predictions.npz"
_SHARED = ("index", "label")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one encoder's features made of each scored image.

    Attributes:
        index: ``(n,)`` int64, the position of the image in its data set.
        label: ``(n,)`` int64, its class; or ``(n, K)`` bool, the set of its classes.
        predicted: For each figure (``knn_20``, ``linear``), the predicted classes ``(n,)`` int64.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64] | NDArray[np.bool_]
    predicted: Mapping[str, NDArray[np.int64]]

    def hits(self) -> dict[str, NDArray[np.bool_]]:
        """For each figure, which images were classified rightly, ``(n,)``."""
        return {figure: right(found, self.label) for figure, found in self.predicted.items()}


def right(predicted: NDArray[Any], label: NDArray[Any]) -> NDArray[np.bool_]:
    """Which images are taken for what they are.

    Args:
        predicted: ``(n,)`` classes.
        label: ``(n,)`` classes; or ``(n, K)`` bool sets of classes, any of which will do.

    Returns:
        ``(n,)`` bool.
    """
    if label.ndim == 1:
        return predicted == label
    known = predicted < label.shape[1]
    return label[np.arange(len(label)), np.where(known, predicted, 0)] & known


def predictions_bytes(predictions: Mapping[str, Predictions]) -> bytes:
    """A ``.npz`` of the predictions with several encoders on the same images.

    Its arrays are ``index``, ``label`` and, for every encoder and figure, ``encoder/figure``.

    Args:
        predictions: Under the name of each encoder; at least one.

    Raises:
        ValueError: If they are of different images.
    """
    first = next(iter(predictions.values()))
    arrays = {"index": first.index, "label": first.label}
    for encoder, found in predictions.items():
        if not all(np.array_equal(getattr(found, key), getattr(first, key)) for key in _SHARED):
            raise ValueError(f"the predictions of {encoder} are of other images than the first's.")
        arrays |= {f"{encoder}/{figure}": column for figure, column in found.predicted.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # pyright: ignore[reportArgumentType]
    return content.getvalue()


def read_predictions(path: Path | str) -> dict[str, Predictions]:
    """Read ``predictions.npz``.

    Args:
        path: The file.

    Returns:
        The predictions under the name of each encoder, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        index, label = (arrays.pop(key) for key in _SHARED)
        if any(len(part) != len(index) for part in (label, *arrays.values())):
            raise ValueError("its columns differ in length")
        found: dict[str, dict[str, NDArray[np.int64]]] = {}
        for name, column in arrays.items():
            encoder, figure = name.rsplit("/", 1)
            found.setdefault(encoder, {})[figure] = column
    except (KeyError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no table of predictions ({error}): move it away and run `sslkit evaluate` "
            "again."
        ) from error
    return {encoder: Predictions(index, label, columns) for encoder, columns in found.items()}
