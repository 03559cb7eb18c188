"""What the objectives with a queue do with it: write views into it, and watch its cosines.

V views, B images on this rank, K rows in the queue, D embedding size.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.functional import unit_rows
from sslkit.nn.queue import Queue


def enqueue_views(queue: Queue, views: Tensor, batch: Any, guide: Tensor | None = None) -> None:
    """Write embeddings into a queue, all images of one view before those of the next.

    Args:
        queue: The queue.
        views: (V, B, D) raw embeddings of this rank.
        batch: A batch with ``label`` and ``index``; None has neither.
        guide: (V, B, G) what a guide sees in the views, for a queue that keeps it.
    """
    labels, index = (None, None) if batch is None else (batch.label, batch.index)
    for number, view in enumerate(views):
        queue.enqueue(view, labels, index, None if guide is None else guide[number])


@torch.no_grad()
def mean_similarities(queries: Tensor, keys: Tensor, rows: Tensor) -> dict[str, Tensor]:
    """Mean cosine of queries with their keys and with the queue.

    Args:
        queries: (V, B, D) raw queries.
        keys: (V, B, D) raw keys, row by row the queries' partners.
        rows: (K, D) unit rows.

    Returns:
        ``positive_similarity`` and ``negative_similarity``, two scalars.
    """
    q, k = unit_rows(queries.flatten(0, 1)), unit_rows(keys.flatten(0, 1))
    return {
        "positive_similarity": torch.linalg.vecdot(q, k).mean(),
        "negative_similarity": q.mean(0) @ rows.to(q.dtype).mean(0),
    }
