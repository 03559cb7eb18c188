"""Which features an evaluation can use: labelled, finite, of classes that it knows."""

import torch
from torch import Tensor

from sslkit.evaluation.features import Features

# Rows looked at together: temporaries of a whole memory-mapped file would not fit in memory.
_ROWS = 16_384


def usable_rows(
    features: Features, split: str, encoder: str, *, multi_label: bool = False
) -> Features:
    """The labelled rows, all of them finite.

    Args:
        features: Of N images.
        split: What the messages call the images: training, test.
        encoder: What the messages call the encoder.
        multi_label: Whether several classes an image will do; every such image is labelled.

    Returns:
        Those of n images. Their ``index`` is where they stood among the N, if it was not known.

    Raises:
        ValueError: If there are no labels or, unless they will do, several classes an image; or
            features are not finite.
    """
    if features.labels.ndim != 1 and not multi_label:
        raise ValueError(
            f"evaluation needs labels of one class an image, and the {split} images have labels of "
            f"shape {tuple(features.labels.shape)}, several classes an image."
        )
    labelled = features.labels.ge(0).reshape(len(features.labels), -1).all(dim=1)
    if not labelled.any():
        raise ValueError(
            f"evaluation needs labels, and the {len(labelled)} {split} images have none: give "
            "images in one folder per class, or arrays with labels."
        )
    finite = [rows.isfinite().all(dim=1) for rows in features.features.split(_ROWS)]
    bad = ~torch.cat(finite)
    if bad.any():
        raise ValueError(
            f"the features of the {encoder} encoder are not finite for {int(bad.sum())} of "
            f"{len(bad)} {split} images, first for number {int(bad.nonzero()[0])} of them: its "
            "weights have diverged, or these images are not what it was trained on."
        )
    index = features.index
    if index is None or bool((index < 0).any()):
        index = torch.arange(len(labelled))
    if labelled.all():  # no copy: there may be gigabytes of them
        return Features(features.features, features.labels, index)
    return Features(features.features[labelled], features.labels[labelled], index[labelled])


def scored_rows(train: Features, test: Features, encoder: str) -> Features:
    """The rows of ``test`` that can be scored.

    Where training images have one class each and those to score have label sets, images with an
    empty one are left out, as in ReaL: nobody has found a class for them.

    Args:
        train: Of the images that are fitted, usable.
        test: Of the images to score.
        encoder: What the messages call the encoder.

    Raises:
        ValueError: See `usable_rows`; or if every set is empty.
    """
    test = usable_rows(test, "test", encoder, multi_label=True)
    if train.labels.ndim == 2 or test.labels.ndim == 1:
        return test
    owned = test.labels.any(dim=1)
    if not owned.any():
        raise ValueError(f"there is nothing to score: all {len(owned)} test label sets are empty.")
    if owned.all():
        return test
    assert test.index is not None  # usable_rows gives it
    return Features(test.features[owned], test.labels[owned], test.index[owned])


def check_kinds(train: Tensor, test: Tensor) -> None:
    """Refuse labels of which one kind cannot be scored by the other.

    Args:
        train: ``(N,)`` classes or ``(N, K)`` label sets, to fit.
        test: Likewise, to score.

    Raises:
        ValueError: If training has label sets, and scored are classes, or sets of other classes.
    """
    if train.ndim == 2 and train.shape[1:] != test.shape[1:]:
        raise ValueError(
            "training images with label sets (N, K) need test images with label sets of the same K "
            f"classes, got labels {tuple(train.shape)} and {tuple(test.shape)}: give the test "
            "images a set of all their classes. (Training on one class an image and testing on "
            "label sets works: top-1 in the set.)"
        )


def check_classes(train: Tensor, test: Tensor) -> None:
    """Refuse labels that no probe could learn.

    Args:
        train: ``(N,)`` labels to fit.
        test: Labels to score: ``(M,)`` classes, or ``(M, K)`` sets of them.

    Raises:
        ValueError: If training has a single class or one that sets have no column for, or lacks a
            class that the test images have; of a set, all of its classes.
    """
    known = set(train.unique().tolist())
    if len(known) < 2:
        raise ValueError(
            f"evaluation needs at least two classes among the training images, and all "
            f"{len(train)} are of class {next(iter(known))}."
        )
    if test.ndim == 2:
        _check_sets(known, test)
        return
    unknown = sorted(set(test.unique().tolist()) - known)
    if unknown:
        raise ValueError(
            f"the test images have classes that no training image has: {unknown[:10]}"
            f"{' and more' * (len(unknown) > 10)}, where training has {len(known)} classes. Give "
            "training and test images of the same classes, in the same order."
        )


def _check_sets(known: set[int], test: Tensor) -> None:
    if max(known) >= test.shape[1]:
        raise ValueError(
            f"the test images have label sets of {test.shape[1]} classes, and training images have "
            f"the class {max(known)}: both must share one list of classes."
        )
    strange = ~test[:, sorted(known)].any(dim=1)
    if strange.any():
        classes = test[strange.nonzero()[0, 0]].nonzero().flatten().tolist()
        raise ValueError(
            f"{int(strange.sum())} of {len(test)} test images have only classes that no training "
            f"image has (the first: {classes}), where training has {len(known)} classes. Give "
            "training and test images of the same classes, in the same order."
        )
