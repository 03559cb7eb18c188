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


def check_classes(train: Tensor, test: Tensor) -> None:
    """Refuse labels that no probe could learn.

    Args:
        train: ``(N,)`` labels to fit.
        test: Labels to score.

    Raises:
        ValueError: If training has a single class, or lacks one that the test images have.
    """
    known = set(train.unique().tolist())
    if len(known) < 2:
        raise ValueError(
            f"evaluation needs at least two classes among the training images, and all "
            f"{len(train)} are of class {next(iter(known))}."
        )
    unknown = sorted(set(test.unique().tolist()) - known)
    if unknown:
        raise ValueError(
            f"the test images have classes that no training image has: {unknown[:10]}"
            f"{' and more' * (len(unknown) > 10)}, where training has {len(known)} classes. Give "
            "training and test images of the same classes, in the same order."
        )
