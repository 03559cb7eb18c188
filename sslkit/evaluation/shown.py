"""Which images a picture shows, and those images.

N images of a split, n of them shown.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from sslkit.data import Batch, as_batch
from sslkit.data.fingerprint import images_in_order
from sslkit.data.label_sets import first_class
from sslkit.evaluation.features import Features
from sslkit.seeding import counter_generator

# The stream of the draw of the images to show; other draws of the toolkit count other things.
_SHOWN = 15485863


def draw_balanced(labels: Tensor, count: int, *, seed: int) -> Tensor:
    """Draw rows at random, from every class equally many as far as it has them.

    Args:
        labels: ``(N,)``, −1 = unlabelled, a class of its own here; of label sets ``(N, K)`` bool
            the first class counts.
        count: At most so many.
        seed: Of the draw.

    Returns:
        ``(n,)`` int64 rows, sorted by their label.
    """
    labels = first_class(labels)
    order = torch.randperm(len(labels), generator=counter_generator(_SHOWN, seed))
    mixed = labels[order]
    sorted_labels, by_class = mixed.sort(stable=True)
    # The number of a row among those of its class; all first ones come before all second ones.
    starts = torch.searchsorted(sorted_labels, sorted_labels)
    turn = torch.empty(len(labels), dtype=torch.int64)
    turn[by_class] = torch.arange(len(labels)) - starts
    chosen = order[turn.sort(stable=True).indices[:count]]
    return chosen[labels[chosen].sort(stable=True).indices]


def images_at(loader: Iterable[Any], features: Features, rows: Tensor) -> Tensor:
    """The images that some rows of features are of.

    Args:
        loader: Yields the images in the order of the features.
        features: Of N images.
        rows: ``(n,)`` int64, in 0 to N−1.

    Returns:
        ``(n, C, h, w)`` uint8.

    Raises:
        TypeError: If the loader yields views instead of images.
    """
    store = images_in_order(loader)
    # One that has left unreadable images out counts otherwise: it is read from the start.
    if store is not None and len(store) == len(features.labels):
        batch = store.__getitems__(rows.tolist()).batch
        if batch is not None and len(batch.image) == len(rows):
            return batch.image
    found: dict[int, Tensor] = {}
    wanted, start = set(rows.tolist()), 0
    for item in loader:
        batch = as_batch(item)
        if not isinstance(batch, Batch):
            raise TypeError("pictures need a loader of uint8 images, and this one yields views.")
        here = [row for row in range(start, start + len(batch.image)) if row in wanted]
        # Copies: a view of one image would hold its whole batch.
        found |= {row: batch.image[row - start].clone() for row in here}
        start += len(batch.image)
        if len(found) == len(wanted):
            break
    return torch.stack([found[row] for row in rows.tolist()])
