"""Images held in NumPy arrays, most often in one ``.npz`` file, as a source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.label_sets import as_label_sets, label_at, looks_like_sets

# Names of (images, labels) by split, tried in order.
_KEYS = {
    split: [
        (f"x_{split}", f"y_{split}"),
        (f"{split}_images", f"{split}_labels"),
    ]
    for split in ("train", "val", "test")
}
_KEYS["train"] += [("x", "y"), ("images", "labels")]


class ImageArrays(Dataset):
    """uint8 images in memory.

    Keys: ``x_train``/``y_train``, ``x_val``/``y_val``, ``x_test``/``y_test`` (or ``train_images``/
    ``train_labels`` and so on); ``x``/``y`` or ``images``/``labels`` alone are a training split.
    Labels are optional. They are ``(N,)`` classes, −1 = unlabelled; or where images have several
    classes ``(N, K)`` bool or 0 and 1, a column for each class.

    Attributes:
        images: ``(N, H, W)`` or ``(N, H, W, C)`` uint8.
        labels: ``(N,)`` int64, −1 = unlabelled; or ``(N, K)`` bool.
        classes: The K class names, or None.
        name: What messages call the arrays.

    Args:
        arrays: A ``.npz`` file, or its content as a mapping of arrays.
        split: ``train``, ``val`` or ``test``.
        classes: Names of the classes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the split is missing, or the arrays have another shape or dtype.
    """

    def __init__(
        self,
        arrays: str | Path | Mapping[str, Any],
        split: str = "train",
        *,
        classes: list[str] | None = None,
    ) -> None:
        name = "The arrays" if isinstance(arrays, Mapping) else str(arrays)
        with _opened(arrays) as content:
            keys = _find(content, split)
            if keys is None:
                raise ValueError(
                    f"{name} has no {split} split: it holds {sorted(content)}. The keys of a split "
                    f"are one of {_KEYS[split]}; the labels may be left out."
                )
            images, labels = (_member(content, key, name) for key in keys)
        if images is None or images.dtype != np.uint8 or images.ndim not in (3, 4):
            found = f"{images.dtype} {images.shape}" if images is not None else "nothing"
            raise ValueError(
                f"{keys[0]} of {name} is {found}. Images must be uint8 (N, H, W) or (N, H, W, C), "
                "0 to 255."
            )
        if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[2] == images.shape[3]:
            raise ValueError(
                f"{keys[0]} of {name} has the shape {images.shape}, which looks like (N, C, H, W). "
                "Put the channels last, (N, H, W, C): images.transpose(0, 2, 3, 1)."
            )
        if images.size == 0:
            raise ValueError(f"{keys[0]} of {name} is empty: its shape is {images.shape}.")
        self.images: np.ndarray = images
        self.labels: Tensor = _labels(labels, len(images), f"{keys[1]} of {name}")
        self.classes = classes
        self.name = f"{keys[0]} of {name}"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[np.ndarray, int | Tensor]:
        """``(H, W)`` or ``(H, W, C)`` uint8, and the class or the ``(K,)`` bool set of classes."""
        return self.images[position], label_at(self.labels, position)

    def tensor(self, count: int | None = None) -> Tensor:
        """The first ``count`` images, or all N, as one contiguous uint8 tensor ``(N, C, H, W)``.

        All of them, of one channel, are not copied. A part is, so that it does not hold the rest.
        """
        shared = self.images.flags.writeable and (count is None or count >= len(self.images))
        images = self.images if shared else self.images[:count].copy()
        tensor = torch.from_numpy(images)
        return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def array_splits(path: str | Path) -> dict[str, ImageArrays]:
    """All splits of a ``.npz`` file.

    Args:
        path: The file.

    Returns:
        Those of ``train``, ``val`` and ``test`` that are there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds none of them.
    """
    with _opened(path) as content:
        there = [split for split in _KEYS if _find(content, split) is not None]
        if not there:
            raise ValueError(
                f"{path} holds {sorted(content)}, which name no images. Use x_train and y_train "
                "(x_val, y_val, x_test, y_test), or x and y, or images and labels."
            )
    return {split: ImageArrays(path, split) for split in there}


class _opened:
    """A mapping of arrays as it is, or a ``.npz`` file opened and closed again."""

    def __init__(self, arrays: str | Path | Mapping[str, Any]) -> None:
        self.arrays = arrays

    def __enter__(self) -> Mapping[str, Any]:
        if isinstance(self.arrays, Mapping):
            return self.arrays
        path = Path(self.arrays).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path} ({path.absolute()}).")
        try:
            content = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as a .npz file: {error}") from error
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise ValueError(f"{path} is no .npz file. Save the arrays with numpy.savez.")
        self.content = content
        return content

    def __exit__(self, *_: object) -> None:
        if not isinstance(self.arrays, Mapping):
            self.content.close()


def _find(content: Mapping[str, Any], split: str) -> tuple[str, str] | None:
    """The keys of a split's images and labels, or None."""
    if split not in _KEYS:
        raise ValueError(f"`split` is {split!r}; it must be one of {', '.join(_KEYS)}.")
    return next((keys for keys in _KEYS[split] if keys[0] in content), None)


def _member(content: Mapping[str, Any], key: str, name: str) -> np.ndarray | None:
    if key not in content:
        return None
    try:
        return np.asarray(content[key])
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{key} of {name} cannot be read: {error}") from error


def _labels(labels: np.ndarray | None, size: int, name: str) -> Tensor:
    """``(N,)`` int64, −1 everywhere if there are none; or ``(N, K)`` bool."""
    if labels is None:
        return torch.full((size,), -1, dtype=torch.int64)
    if looks_like_sets(labels.shape, size):
        return as_label_sets(labels, name)
    if labels.size != size or len(labels) != size or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} is {labels.dtype} {labels.shape}. Labels must be whole numbers, one for each "
            f"of the {size} images, or ({size}, classes) of 0 and 1 where an image may have "
            "several; leave them out for unlabelled data."
        )
    return torch.from_numpy(labels.reshape(size).astype(np.int64))
