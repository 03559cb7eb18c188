"""Contrastive losses against a queue of past keys (MoCo), coupled and decoupled.

Notation: N queries, K rows in the queue, D embedding size, q̂, k̂ unit rows, n_j the queue's rows.
Queries and keys are raw: the functions normalise them, in at least float32 and outside autocast.
Keys and queue get no gradient. Every anchor stands alone, so a rank gives its own and nothing else.
"""

import torch
from torch import Tensor

from sslkit.functional.checks import check_pair, check_temperature
from sslkit.functional.normalise import unit_rows


def queue_nce(q: Tensor, k: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """InfoNCE of MoCo: the own key against the queue, mean over the N queries.

    With the positive as one of K+1 candidates::

        L = 1/N Σ_i [ -q̂_i·k̂_i/τ + log( exp(q̂_i·k̂_i/τ) + Σ_j exp(q̂_i·n_j/τ) ) ]

    He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", 2020,
    equation 1, https://arxiv.org/abs/1911.05722.

    Args:
        q: (N, D) raw queries.
        k: (N, D) raw keys, row by row of the same images; detached.
        queue: (K, D) unit rows, K >= 1; detached.
        temperature: τ > 0.

    Returns:
        Scalar in float32 (float64 for float64 inputs); log(1+K) when a query is as near to every
        row of the queue as to its key.

    Raises:
        ValueError: If the shapes do not fit together or the temperature is not positive.
    """
    return queue_nce_per_anchor(q, k, queue, temperature=temperature).mean()


def queue_nce_per_anchor(q: Tensor, k: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """`queue_nce` before its mean.

    Args:
        q: (N, D) raw queries.
        k: (N, D) raw keys; detached.
        queue: (K, D) unit rows; detached.
        temperature: τ > 0.

    Returns:
        (N,) loss of each query.

    Raises:
        ValueError: If the shapes do not fit together or the temperature is not positive.
    """
    positive, negatives = queue_logits(q, k.detach(), queue, temperature=temperature)
    return cross_entropy_with(positive, negatives)


def queue_dcl_per_anchor(
    q: Tensor, k: Tensor, queue: Tensor, *, temperature: float, weight: Tensor | None = None
) -> Tensor:
    """Decoupled contrastive loss against a queue, of each query.

    `queue_nce` without the positive in the sum::

        ℓ_i = -w_i q̂_i·k̂_i/τ + log Σ_j exp(q̂_i·n_j/τ)

    Derived from Yeh et al., "Decoupled Contrastive Learning", 2022,
    https://arxiv.org/abs/2110.06848, which states it for negatives in the batch.

    Args:
        q: (N, D) raw queries.
        k: (N, D) raw keys; detached.
        queue: (K, D) unit rows; detached.
        temperature: τ > 0.
        weight: (N,) DCLW's weights, see `positive_weights`; None weighs every positive by 1.

    Returns:
        (N,) loss of each query.

    Raises:
        ValueError: If the shapes do not fit together or the temperature is not positive.
    """
    positive, negatives = queue_logits(q, k.detach(), queue, temperature=temperature)
    positive = positive if weight is None else weight * positive
    return torch.logsumexp(negatives, dim=1) - positive


def queue_logits(
    anchor: Tensor, positive: Tensor, queue: Tensor, *, temperature: float
) -> tuple[Tensor, Tensor]:
    """Cosines over temperature of anchors with their positives and with the queue.

    Args:
        anchor: (N, D) raw embeddings.
        positive: (N, D) raw embeddings, row by row the anchors' partners.
        queue: (K, D) unit rows, K >= 1; detached.
        temperature: τ > 0.

    Returns:
        (N,) logits of the positives and (N, K) logits of the queue.

    Raises:
        ValueError: If the shapes do not fit together or the temperature is not positive.
    """
    check_temperature(temperature)
    check_pair(anchor, positive, ("q", "k"))
    if queue.ndim != 2 or queue.shape[0] == 0 or queue.shape[1] != anchor.shape[1]:
        raise ValueError(
            f"queue must be (K, D) with K >= 1 and the D = {anchor.shape[1]} of the queries, got "
            f"{tuple(queue.shape)}. Build the queue for the projector's output width."
        )
    unit = unit_rows(anchor) / temperature
    with torch.autocast(anchor.device.type, enabled=False):
        own = torch.linalg.vecdot(unit, unit_rows(positive))
        return own, unit @ queue.detach().to(unit.dtype).T


def cross_entropy_with(positive: Tensor, negatives: Tensor) -> Tensor:
    """-log softmax of the positive among itself and the negatives, without joining the two.

    Args:
        positive: (N,) logits.
        negatives: (N, M) logits; −inf is no candidate.

    Returns:
        (N,) losses.
    """
    excess = torch.logsumexp(negatives, dim=1) - positive
    return torch.logaddexp(excess, torch.zeros_like(excess))
