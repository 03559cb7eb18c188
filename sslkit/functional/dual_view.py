"""A dual-view loss on the hardest rows of a queue.

Reconstruction, unverified: of "Momentum Contrastive Learning with Enhanced Negative Sampling and
Hard Negative Filtering", 2025, https://arxiv.org/abs/2501.16360, only the abstract could be read,
and there is no code.

Notation: N images, K rows in the queue, D embedding size.
"""

import torch
from torch import Tensor

from sslkit.functional.queue_contrast import cross_entropy_with, queue_logits


def hard_queue_nce_per_anchor(
    anchor: Tensor, positive: Tensor, queue: Tensor, *, temperature: float, hardest: int
) -> Tensor:
    """InfoNCE against the rows of a queue that are nearest to each anchor [reconstruction].

    Unlike `queue_nce`, it takes gradient to the positive too: the caller detaches what is fixed.

    Args:
        anchor: (N, D) raw embeddings.
        positive: (N, D) raw embeddings, row by row of the same images.
        queue: (K, D) unit rows; detached.
        temperature: τ > 0.
        hardest: How many rows each anchor is compared with, 1 to K.

    Returns:
        (N,) loss of each anchor.

    Raises:
        ValueError: If the shapes do not fit together, or an argument is outside its range.
    """
    own, negatives = queue_logits(anchor, positive, queue, temperature=temperature)
    if not 1 <= hardest <= queue.shape[0]:
        raise ValueError(
            f"hardest must lie between 1 and the queue's {queue.shape[0]} rows, got {hardest}."
        )
    if hardest < queue.shape[0]:
        negatives = negatives.topk(hardest, dim=1, sorted=False).values
    return cross_entropy_with(own, negatives)


def dual_view_nce_per_anchor(
    q: Tensor, k: Tensor, queue: Tensor, *, temperature: float, hardest: int, key_weight: float
) -> Tensor:
    """The query's loss, balanced with the key's [reconstruction].

    With H(a) the rows of the queue that are nearest to a, and w the weight of the key::

        ℓ_i = (1-w) CE(q_i; k_i, H(q_i)) + w CE(k_i; q_i, H(k_i))

    Keys get no gradient, so the second term reaches q as the positive of k only.

    Args:
        q: (N, D) raw queries.
        k: (N, D) raw keys, row by row of the same images; detached.
        queue: (K, D) unit rows; detached.
        temperature: τ > 0.
        hardest: How many rows of the queue each anchor is compared with, 1 to K.
        key_weight: w in [0, 1].

    Returns:
        (N,) loss of each image.

    Raises:
        ValueError: If the shapes do not fit together, or an argument is outside its range.
    """
    k = k.detach()
    by_query = hard_queue_nce_per_anchor(q, k, queue, temperature=temperature, hardest=hardest)
    by_key = hard_queue_nce_per_anchor(k, q, queue, temperature=temperature, hardest=hardest)
    return torch.lerp(by_query, by_key, key_weight)
