"""Label sets from a file in the format of ReaL: a list of lists of classes, in JSON.

Beyer et al., "Are we done with ImageNet?" (2020); the file is ``real.json`` of
google-research/reassessed-imagenet. N images, K classes.
"""

import json
from pathlib import Path, PurePath
from typing import Any, Literal

import torch
from torch import Tensor

from sslkit.data import ImageDataModule
from sslkit.data.label_sets import sets_of
from sslkit.data.resident import ResidentImages

_FORMAT = (
    "It must be a JSON list with a list of class numbers for each image, empty where none fits, in "
    "the order of the images' file names."
)
# Of the images that have a class already, how many have it in their set too: 0.9 of ImageNet's do.
_AGREE = 0.5


def real_label_sets(
    data: ImageDataModule, split: Literal["test", "val"], file: Path | str
) -> Tensor:
    """The label sets of a split's images, lined up by file name.

    Images in folders are sorted by their file names alone, whatever the folders are (those of
    ImageNet's classes, say); those of other data are taken in the order of the data set.

    Args:
        data: After its setup; K is the number of classes of its training images.
        split: Whose images they are.
        file: The file.

    Returns:
        ``(N, K)`` bool, row by row of the positions in the data set.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another format, number of images or classes; file names repeat; or
            under half of the images have their own class in their set.
    """
    if data.num_classes is None:
        raise ValueError("label sets are scored by probes, and the training images have no labels.")
    sets = read_real_labels(file, data.num_classes)
    store: Any = data.eval_dataloader(split).dataset
    # Unreadable images that were skipped are counted too, as positions do.
    count = len(store.images if isinstance(store, ResidentImages) else store.source)
    if len(sets) != count:
        raise ValueError(
            f"{file} has {len(sets):,} label sets, and the {split} split has {count:,} images: "
            "give the file that belongs to these images, or all images that it is of."
        )
    paths = data.paths(split, torch.arange(count))
    if paths is not None:
        names = [PurePath(path).name for path in paths]
        if len(set(names)) < count:
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(
                f"{file} goes by file name, and {twice} is there more than once in the {split} "
                "split: give every image a name of its own."
            )
        order = sorted(range(count), key=names.__getitem__)
        sets = sets[torch.tensor(order).argsort()]
    _check_agreement(store.labels, sets[store.rows], file)
    return sets


def read_real_labels(file: Path | str, num_classes: int) -> Tensor:
    """Read a list of lists of classes.

    Args:
        file: The JSON file.
        num_classes: K.

    Returns:
        ``(N, K)`` bool, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else, or a class is none of the K.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"real_labels: there is no file {path} ({path.absolute()}).")
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON ({error}). {_FORMAT}") from error
    if not isinstance(found, list) or not found:
        raise ValueError(f"{path} holds a {type(found).__name__}, or nothing. {_FORMAT}")
    for number, own in enumerate(found):
        if not isinstance(own, list) or not all(type(label) is int for label in own):
            raise ValueError(f"entry {number} of {path} is {str(own)[:60]}. {_FORMAT}")
        wrong = [label for label in own if not 0 <= label < num_classes]
        if wrong:
            raise ValueError(
                f"entry {number} of {path} has the class {wrong[0]}, and the training images have "
                f"{num_classes} classes, 0 to {num_classes - 1}: both must share one list of "
                "classes."
            )
    return sets_of(found, num_classes)


def _check_agreement(labels: Tensor | None, sets: Tensor, file: Path | str) -> None:
    """Refuse sets that are in another order than the images, which nothing else would tell."""
    if labels is None or labels.ndim != 1:
        return
    asked = sets.any(dim=1) & (labels >= 0)
    if not asked.any():
        return
    share = float(sets[asked, labels[asked]].double().mean())
    if share < _AGREE:
        raise ValueError(
            f"of the {int(asked.sum()):,} images that have a class and a set in {file}, only "
            f"{share:.1%} have their class in their set: the file is in another order than the "
            "images, or numbers the classes otherwise."
        )
