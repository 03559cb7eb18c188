"""MoCHi against a queue, without its mixes and without the logits of all queries.

Notation: N queries, K rows in the queue, H hardest of them for each query, S mixes of two hardest
and S' of a hardest with the query, D embedding size, q̂, k̂ unit rows, n_j the queue's rows, c of the
queries at once.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sslkit.functional.hardest import hardest_columns
from sslkit.functional.mix_factors import MixFactors
from sslkit.functional.normalise import unit_rows
from sslkit.functional.queue_contrast import add_positive, check_queue

# Queries whose logits against the whole queue are held at once.
_QUERIES = 64


def queue_mixed_nce_per_anchor(
    q: Tensor,
    k: Tensor,
    queue: Tensor,
    *,
    temperature: float,
    hardest: int,
    pair: Tensor,
    pair_weight: Tensor,
    query_index: Tensor,
    query_weight: Tensor,
    extra_log_weight: Tensor | None = None,
    decoupled: bool = False,
    weight: Tensor | None = None,
) -> Tensor:
    """`queue_nce`, or decoupled, with MoCHi's mixes of the hardest rows as further negatives.

    With a, b (and a) the rows that a mix's columns stand for, and the mixes constants::

        h_s  = (α n_a + (1-α) n_b) / ‖·‖        h'_s = (β q̂_i + (1-β) n_a) / ‖·‖
        Z_i  = Σ_j exp(q̂_i·n_j/τ) + Σ_s exp(q̂_i·h_s/τ + ω_s) + Σ_s exp(q̂_i·h'_s/τ + ω_s)
        ℓ_i  = -p_i + log(exp(p_i) + Z_i),   or decoupled  -p_i + log Z_i,   p_i = w_i q̂_i·k̂_i/τ

    Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", 2020,
    https://arxiv.org/abs/2010.01028. The hardest are ranked by their cosine with the query, from
    the hardest on; of rows with the same cosine, any comes first. The queue is read before this
    returns and not on the way back.

    Args:
        q: (N, D) raw queries.
        k: (N, D) raw keys, row by row of the same images; detached.
        queue: (K, D) rows, K >= 1, of any length; detached.
        temperature: τ > 0.
        hardest: H >= 1; all K where the queue has fewer.
        pair: (2, N, S) int64 in [0, H), the two columns of each mix among the query's hardest.
        pair_weight: (N, S), α of the first.
        query_index: (N, S') int64 in [0, H), the column of each mix with the query.
        query_weight: (N, S'), β of the query.
        extra_log_weight: (N, S+S'), ω, of the mixes of two first; None is 0. −inf is no candidate.
        decoupled: Leave the positive out of the denominator.
        weight: (N,), w; None weighs every positive by 1.

    Returns:
        (N,) loss of each query in float32 (float64 for float64 inputs).

    Raises:
        ValueError: If the shapes do not fit together, or the temperature or ``hardest`` is not
            positive.
    """
    check_queue(q, k, queue, temperature)
    unit = unit_rows(q)
    with torch.autocast(q.device.type, enabled=False):
        positive = torch.linalg.vecdot(unit, unit_rows(k.detach())) / temperature
        negatives = mixed_log_sum(
            unit,
            queue.to(unit.dtype),
            temperature=temperature,
            hardest=hardest,
            pair=pair,
            pair_weight=pair_weight,
            query_index=query_index,
            query_weight=query_weight,
            extra_log_weight=extra_log_weight,
        )
        positive = positive if weight is None else weight * positive
        return negatives - positive if decoupled else add_positive(positive, negatives)


def mixed_log_sum(
    anchors: Tensor,
    rows: Tensor,
    *,
    temperature: float,
    hardest: int,
    pair: Tensor,
    pair_weight: Tensor,
    query_index: Tensor,
    query_weight: Tensor,
    extra_log_weight: Tensor | None = None,
) -> Tensor:
    """Log Z_i of `queue_mixed_nce_per_anchor`, for anchors and rows of any length.

    Args:
        anchors: (N, D) float32 or float64.
        rows: (K, D) of the same type; detached.
        temperature: As there, and all that follows.
        hardest: H.
        pair: (2, N, S).
        pair_weight: (N, S).
        query_index: (N, S').
        query_weight: (N, S').
        extra_log_weight: (N, S+S').

    Returns:
        (N,) logarithms; their gradient is formed right away, and a second one refused.

    Raises:
        ValueError: If the draws do not fit, or ``hardest`` is not positive.
    """
    _check_draws(anchors, hardest, pair, pair_weight, query_index, query_weight, extra_log_weight)
    return _MixedLogSumExp.apply(
        anchors,
        rows.detach(),
        1 / temperature,
        min(hardest, rows.shape[0]),
        (pair, pair_weight.to(anchors.dtype), query_index, query_weight.to(anchors.dtype)),
        extra_log_weight,
    )


class _MixedLogSumExp(torch.autograd.Function):
    """Log of the sum of exponentials over the queue and the mixes.

    The derivative with respect to a query is the mean of rows and mixes, weighed by the softmax of
    the logits. A mix is a sum of rows and perhaps the query, so its weight goes to those, and one
    product with the queue does for all.
    """

    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        queue: Tensor,
        scale: float,
        hardest: int,
        draws: tuple[Tensor, Tensor, Tensor, Tensor],
        log_weight: Tensor | None,
    ) -> Tensor:
        """(N,) for the unit rows (N, D); keeps the (N, D) derivative where it is wanted."""
        number, size = unit.shape[0], queue.shape[0]
        buffer = unit.new_empty(min(number, _QUERIES), size)
        norms = torch.linalg.vector_norm(queue, dim=1)
        result = unit.new_empty(number)
        gradient = torch.empty_like(unit) if ctx.needs_input_grad[0] else None
        for first in range(0, number, _QUERIES):
            at = slice(first, first + _QUERIES)
            some = unit[at]
            dots = torch.mm(some, queue.T, out=buffer[: len(some)])
            near, columns = hardest_columns(dots, hardest)
            drawn = [part[..., at, :] for part in draws]
            mixes = MixFactors(some, queue, norms, near, columns, drawn)
            made = mixes.products().mul_(scale)
            if log_weight is not None:
                made += log_weight[at]
            top = near[:, :1] * scale
            if made.shape[1]:
                top = torch.maximum(top, made.amax(1, keepdim=True))
            share = dots.mul_(scale).sub_(top).exp_()
            made.sub_(top).exp_()
            total = share.sum(1, keepdim=True) + made.sum(1, keepdim=True)
            result[at] = (top + total.log()).squeeze(1)
            if gradient is not None:
                on_hardest, on_query = mixes.shares(made)
                share.scatter_add_(1, columns, on_hardest)
                torch.mm(share, queue, out=gradient[at])
                gradient[at].addcmul_(on_query, some).mul_(scale / total)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return result

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_output: Tensor
    ) -> tuple[Tensor, None, None, None, None, None]:
        """(N, D) for the unit rows, nothing for the rest."""
        (gradient,) = ctx.saved_tensors
        return grad_output.unsqueeze(1) * gradient, None, None, None, None, None


def _check_draws(
    q: Tensor,
    hardest: int,
    pair: Tensor,
    pair_weight: Tensor,
    query_index: Tensor,
    query_weight: Tensor,
    extra_log_weight: Tensor | None,
) -> None:
    if hardest < 1:
        raise ValueError(f"hardest must be at least 1, got {hardest}: mixes are made of them.")
    number = q.shape[0]
    shapes = (pair_weight.shape, query_weight.shape)
    fits = all(len(shape) == 2 and shape[0] == number for shape in shapes)
    if not fits or pair.shape != (2, *shapes[0]) or query_index.shape != shapes[1]:
        raise ValueError(
            f"pair must be (2, N, S), pair_weight (N, S), query_index and query_weight (N, S') "
            f"with the N = {number} of the queries, got {tuple(pair.shape)}, {tuple(shapes[0])}, "
            f"{tuple(query_index.shape)} and {tuple(shapes[1])}. Where there are no mixes of a "
            "kind, give tensors with S or S' = 0."
        )
    mixes = (number, shapes[0][1] + shapes[1][1])
    if extra_log_weight is not None and extra_log_weight.shape != mixes:
        raise ValueError(
            f"extra_log_weight must be (N, S+S') = {mixes}, one for each mix, got "
            f"{tuple(extra_log_weight.shape)}."
        )
