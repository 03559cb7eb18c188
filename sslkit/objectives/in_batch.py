"""What the objectives over both views of the batch have in common: their pairs and their result."""

from typing import Any, Protocol

import torch
from torch import Tensor

from sslkit.functional import mean_cosines
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.sources import InBatch, Score
from sslkit.objectives.gathered import Block
from sslkit.objectives.image_info import batch_info, gathered_info, stacked


class _InBatchObjective(Protocol):
    temperature: float

    def guide_features(self, batch: Any) -> dict[int, Tensor]: ...


def in_batch_pairs(objective: _InBatchObjective, score: Score, block: Block, batch: Any) -> Pairs:
    """The pairs of both views, before plug-ins.

    Args:
        objective: Whose pairs they are.
        score: Its loss of each anchor.
        block: Two views of the local images and of all images.
        batch: With labels, indices and views; None has none of them.
    """
    guide = stacked(objective.guide_features(batch), (0, 1))
    own = batch_info(batch, block.z1, views=2, guide=guide)
    return InBatch(objective.temperature, score)(
        *block[:4], offset=block.offset, query_info=own, bank_info=gathered_info(own, views=2)
    )


def in_batch_result(per_anchor: Tensor, block: Block) -> dict[str, Tensor]:
    """The loss of the local anchors, and what to watch of the embeddings as they came.

    Args:
        per_anchor: (2B,) losses.
        block: Two views of the local images and of all images.
    """
    with torch.no_grad():
        positive, negative = mean_cosines(*block[:4], offset=block.offset)
    return {
        "loss": per_anchor.mean(),
        "per_anchor": per_anchor.detach(),
        "positive_similarity": positive,
        "negative_similarity": negative,
    }
