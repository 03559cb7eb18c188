"""Contrastive losses against a queue of past keys (MoCo), coupled and decoupled.

Notation: N queries, K rows in the queue, D embedding size, q̂, k̂ unit rows, n_j the queue's rows.
Queries and keys are raw: the functions normalise them, in at least float32 and outside autocast.
Keys and queue get no gradient. Every anchor stands alone, so a rank gives its own and nothing else.

The losses hold neither the (N, K) logits nor, for the way back, the queue: a tile of logits at a
time gives its part of the loss and of the loss's gradient with respect to the queries. So the queue
may move on before `backward`, and a second derivative is refused.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sslkit.functional.checks import check_pair, check_temperature
from sslkit.functional.normalise import unit_rows

# A tile is written by one product, passed over four times and read by the next: it should stay in
# the caches, yet be large enough for whole products (1 Mi logits are 4 MiB in float32).
_TILE_QUERIES, _TILE_LOGITS = 256, 1 << 20


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
    positive, negatives = _own_and_all(q, k, queue, temperature)
    return add_positive(positive, negatives)


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
    positive, negatives = _own_and_all(q, k, queue, temperature)
    return negatives - (positive if weight is None else weight * positive)


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
    check_queue(anchor, positive, queue, temperature)
    unit = unit_rows(anchor) / temperature
    with torch.autocast(anchor.device.type, enabled=False):
        own = torch.linalg.vecdot(unit, unit_rows(positive))
        return own, unit @ queue.detach().to(unit.dtype).T


def check_queue(anchor: Tensor, positive: Tensor, queue: Tensor, temperature: float) -> None:
    """Refuse anchors, partners and a queue that cannot be compared.

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


def cross_entropy_with(positive: Tensor, negatives: Tensor) -> Tensor:
    """-log softmax of the positive among itself and the negatives, without joining the two.

    Args:
        positive: (N,) logits.
        negatives: (N, M) logits; −inf is no candidate.

    Returns:
        (N,) losses.
    """
    return add_positive(positive, torch.logsumexp(negatives, dim=1))


def add_positive(positive: Tensor, negatives: Tensor) -> Tensor:
    """-log softmax of the positive among itself and negatives that are summed already.

    Args:
        positive: (N,) logits.
        negatives: (N,) log-sum-exp of the negatives' logits.

    Returns:
        (N,) losses.
    """
    excess = negatives - positive
    return torch.logaddexp(excess, torch.zeros_like(excess))


def _own_and_all(q: Tensor, k: Tensor, queue: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(N,) logits of the keys, and (N,) log-sum-exp of the logits of the queue."""
    check_queue(q, k, queue, temperature)
    scaled = unit_rows(q) / temperature
    with torch.autocast(q.device.type, enabled=False):
        positive = torch.linalg.vecdot(scaled, unit_rows(k.detach()))
        return positive, rows_log_sum(scaled, queue)


def rows_log_sum(anchors: Tensor, rows: Tensor) -> Tensor:
    """Log Σ_j exp(a_i·n_j), a tile of dot products at a time.

    Args:
        anchors: (N, D) of any length, float32 or float64, divided by the temperature.
        rows: (K, D) of any length; detached.

    Returns:
        (N,) logarithms; their gradient is formed right away, and a second one refused.
    """
    return _QueueLogSumExp.apply(anchors, rows.detach())


class _QueueLogSumExp(torch.autograd.Function):
    """log Σ_j exp(a_i·n_j) of anchors a (N, D) over a queue n (K, D), which gets no gradient.

    Its gradient is the mean of the rows, weighed by the softmax of the logits: sum and gradient
    run along tile by tile, relative to the largest logit so far.
    """

    @staticmethod
    def forward(ctx: Any, anchors: Tensor, queue: Tensor) -> Tensor:
        """(N,) log-sum-exp; keeps its (N, D) derivative where the anchors want one."""
        number, width = anchors.shape[0], _TILE_LOGITS // min(anchors.shape[0], _TILE_QUERIES)
        tile = anchors.new_empty(min(number, _TILE_QUERIES) * min(width, queue.shape[0]))
        result = anchors.new_empty(number)
        gradient = anchors.new_zeros(anchors.shape) if ctx.needs_input_grad[0] else None
        for first in range(0, number, _TILE_QUERIES):
            at = slice(first, first + _TILE_QUERIES)
            some = anchors[at]
            top = some.new_full((some.shape[0], 1), -torch.inf)
            total = torch.zeros_like(top)
            for rows in queue.split(width):
                rows = rows.to(some.dtype)
                logits = tile[: some.shape[0] * rows.shape[0]].view(some.shape[0], -1)
                torch.mm(some, rows.T, out=logits)
                before, top = top, torch.maximum(top, logits.amax(1, keepdim=True))
                shrink = torch.exp(before - top)
                weight = logits.sub_(top).exp_()
                total.mul_(shrink).add_(weight.sum(1, keepdim=True))
                if gradient is not None:
                    gradient[at].mul_(shrink).addmm_(weight, rows)
            result[at] = (top + total.log()).squeeze(1)
            if gradient is not None:
                gradient[at].div_(total)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return result

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_output: Tensor
    ) -> tuple[Tensor, None]:
        """(N, D) for the anchors, nothing for the queue."""
        (gradient,) = ctx.saved_tensors
        return grad_output.unsqueeze(1) * gradient, None
