"""The schedule of linear heads: which rows each step sees, and how large the step is.

N images, n of them fitted, F feature width, H heads, C classes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from sslkit.evaluation.features import Features
from sslkit.evaluation.heads import Head, LinearHeads
from sslkit.nn.layers import OUTPUT
from sslkit.seeding import counter_generator

# Few labels are few batches an epoch: the schedule is at least so long.
MIN_STEPS = 1000
# Numbers read together for the mean squares.
_HELD = 2_000_000


def count_epochs(images: int, *, epochs: int, batch_size: int) -> int:
    """``epochs``, or more where they would be fewer than `MIN_STEPS` steps.

    Args:
        images: That are fitted.
        epochs: Wanted.
        batch_size: Images in a step.
    """
    return max(epochs, math.ceil(MIN_STEPS / max(1, images // batch_size)))


def train_heads(
    train: Features,
    rows: Tensor,
    heads: Sequence[Head],
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    widths: Mapping[str, int] | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[int, LinearHeads]]:
    """Train heads on some rows of the features, an epoch at a time.

    Args:
        train: Of N images, finite and labelled.
        rows: ``(n,)`` int64, those that are fitted.
        heads: Their settings.
        epochs: How often each row is seen, but for the last rows of an epoch that fill no batch.
        batch_size: Rows in a step; fewer rows are one batch.
        seed: Of the order of the batches.
        widths: Of the layers whose features stand side by side; None: one layer, the output.
        device: Where the heads are; batches are moved there.

    Yields:
        After each epoch its number, from 1 on, and the heads, which go on changing.
    """
    classes = count_classes(train.labels)
    dtype = torch.promote_types(train.features.dtype, torch.float32)
    widths = {OUTPUT: train.features.shape[1]} if widths is None else widths
    squares = mean_squares(train.features, rows).split(list(widths.values()))
    # A layer that is zero everywhere may have any scale.
    roots = [math.sqrt(float(part.mean())) or 1.0 for part in squares]
    trained = LinearHeads(
        heads,
        widths=widths,
        classes=classes,
        scales={layer: 1 / root for layer, root in zip(widths, roots, strict=True)},
        multi_label=train.labels.ndim == 2,
        dtype=dtype,
        device=device,
    )
    generator = counter_generator(seed)
    size = min(batch_size, len(rows))
    steps = len(rows) // size
    for epoch in range(epochs):
        order = rows[torch.randperm(len(rows), generator=generator)]
        for step, batch in enumerate(order[: steps * size].split(size)):
            given = train.features.index_select(0, batch).to(device, dtype)
            target = as_targets(train.labels[batch].to(device), classes, dtype)
            progress = (epoch * steps + step) / (epochs * steps)
            trained.step(given, target, (1 + math.cos(math.pi * progress)) / 2)
        yield epoch + 1, trained


def count_classes(labels: Tensor) -> int:
    """C: of ``(N,)`` classes one more than the highest, of ``(N, C)`` label sets their width."""
    return labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1


def as_targets(labels: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """``(B,)`` classes or ``(B, C)`` label sets as ``(C, B)`` of 0 and 1."""
    if labels.ndim == 2:
        return labels.T.to(dtype)
    zeros = torch.zeros(classes, len(labels), dtype=dtype, device=labels.device)
    return zeros.scatter_(0, labels.unsqueeze(0), 1.0)


def mean_squares(features: Tensor, rows: Tensor) -> Tensor:
    """Of each column over some rows, read a part at a time: ``(F,)`` float64."""
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    for part in rows.split(max(1, _HELD // features.shape[1])):
        total += features.index_select(0, part).double().square().sum(0)
    return total / len(rows)
