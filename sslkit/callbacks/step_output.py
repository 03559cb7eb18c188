"""What the watching callbacks read of a step, and when its labels are none to learn from.

B images, V views, F feature width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import mean_across_ranks

SEVERAL = (
    "have several classes each, and it needs one class an image (OfflineProbe and `sslkit "
    "evaluate` score such labels)"
)


def read_step(outputs: Any, reader: str) -> tuple[Tensor, Tensor] | None:
    """The features and labels in what a training or validation step returned.

    Args:
        outputs: The step's output; ``"features"`` and ``"label"`` are read.
        reader: The callback that reads, for the message.

    Returns:
        Features ``(V, B, F)`` or ``(B, F)``, detached float32, and labels ``(B,)`` or ``(B, K)``;
        None where the step was skipped.

    Raises:
        ValueError: If the step returned something else.
    """
    if outputs is None or (isinstance(outputs, Mapping) and not outputs):
        return None  # training_step returned None, which Lightning hands on as an empty dict
    if not isinstance(outputs, Mapping) or not {"features", "label"} <= outputs.keys():
        keys = sorted(map(str, outputs)) if isinstance(outputs, Mapping) else type(outputs).__name__
        raise ValueError(
            f"{reader} reads 'features' and 'label' from the output of a step, and the step "
            f"returned {keys}: return both from training_step and validation_step, as the methods "
            f"of sslkit do, or remove {reader} from the callbacks."
        )
    return outputs["features"].detach().float(), outputs["label"]


def as_views(features: Tensor) -> Tensor:
    """Features of a training step as ``(V, B, F)``; ``(B, F)`` is one view."""
    return features[None] if features.ndim == 2 else features


def why_unlabelled(label: Tensor) -> str | None:
    """The reason, where no rank has one class per image in this batch.

    Every rank gets the same answer, and every rank must ask. Reads a value from the device.

    Args:
        label: ``(B,)`` or ``(B, K)``.

    Returns:
        The reason in words, or None if there are labels.
    """
    if label.ndim != 1:
        return f"the training images {SEVERAL}"
    labelled = mean_across_ranks((label >= 0).any().to(torch.float32))
    return None if labelled > 0 else "the training data has no labels (its first batch has none)"
