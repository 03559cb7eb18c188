"""Votes of the nearest neighbours, the probe that has nothing to train.

Q queries, M rows in the bank, F feature width, C classes, k neighbours.
"""

from collections.abc import Iterator, Sequence
from typing import overload

import torch
from torch import Tensor

from sslkit.functional.checks import check_temperature
from sslkit.functional.hardest import hardest_columns
from sslkit.functional.normalise import unit_rows

# Bank rows that a chunk of queries meets at once: 512 queries have 128 MB of cosines with them.
_BANK_ROWS = 65_536


@overload
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int,
    num_classes: int,
    temperature: float | None = ...,
    chunk: int = ...,
) -> Tensor: ...
@overload
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: Sequence[int],
    num_classes: int,
    temperature: float | None = ...,
    chunk: int = ...,
) -> dict[int, Tensor]: ...
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int | Sequence[int],
    num_classes: int,
    temperature: float | None = 0.07,
    chunk: int = 512,
) -> Tensor | dict[int, Tensor]:
    """Class votes of the k nearest bank rows by cosine, each weighing exp(cos / temperature).

    The weighted vote of Wu et al., "Unsupervised feature learning via non-parametric instance
    discrimination" (2018), section 3.4: score(c) is the sum of exp(cos_j / temperature) over the
    neighbours j of class c. Every row of scores is divided by the weight of its nearest neighbour,
    which changes no ranking and keeps the exponential finite at any temperature.

    Args:
        queries: ``(Q, F)`` raw features; normalised here.
        bank: ``(M, F)`` raw features on the same device; normalised here, without a copy. They may
            be memory-mapped.
        labels: ``(M,)`` integers in ``[0, num_classes)``, the classes of the bank's rows.
        k: How many neighbours vote, 1 to M. A sequence is answered from one pass over the bank.
        num_classes: C, the number of columns of the scores.
        temperature: Positive; the smaller, the more the nearest neighbours decide. None: every
            neighbour has one vote.
        chunk: Queries handled at once: memory beside that of the arguments and the scores is
            O(chunk * min(M, 65,536)), whatever Q is.

    Returns:
        ``(Q, C)`` non-negative scores in at least float32, whose argmax is the prediction; for a
        sequence of k, a dict from each k to its scores.

    Raises:
        ValueError: On shapes that do not fit together, k outside 1 to M, a label outside the
            classes, or a temperature or chunk that is not positive.
    """
    counts = [k] if isinstance(k, int) else list(k)
    if not counts or min(counts) < 1:
        raise ValueError(f"knn_scores() needs k of at least 1, got k={counts}.")
    _check_labels(queries, bank, labels, num_classes)
    scores: dict[int, Tensor] = {}
    start = 0
    for cosine, index in nearest_neighbours(queries, bank, k=max(counts), chunk=chunk):
        weight = vote_weights(cosine, temperature)
        owner = labels[index].long()
        for count in dict.fromkeys(counts):  # each once
            if count not in scores:
                scores[count] = weight.new_zeros(len(queries), num_classes)
            votes = scores[count][start : start + len(index)]
            votes.scatter_add_(1, owner[:, :count], weight[:, :count])
        start += len(index)
    return scores[k] if isinstance(k, int) else scores


def nearest_neighbours(
    queries: Tensor, bank: Tensor, *, k: int, chunk: int = 512
) -> Iterator[tuple[Tensor, Tensor]]:
    """The k bank rows of highest cosine to each query, one chunk of queries after another.

    Args:
        queries: ``(Q, F)`` raw features, Q >= 1.
        bank: ``(M, F)`` raw features on the same device. No copy of it is made, neither normalised
            nor widened, so it may be memory-mapped.
        k: How many neighbours, 1 to M.
        chunk: Queries handled at once; their ``(chunk, min(M, 65,536))`` cosines are held.

    Yields:
        For each chunk of c queries, in order, the cosines ``(c, k)`` from the highest on, in at
        least float32, and the bank rows ``(c, k)`` int64. Of equal cosines, any comes first.

    Raises:
        ValueError: On shapes that do not fit together, k outside 1 to M, or a chunk below 1.
    """
    _check_shapes(queries, bank)
    if not 1 <= k <= len(bank):
        raise ValueError(
            f"k={k} neighbours were asked for of a bank with only {len(bank)} rows. Use k of at "
            "least 1 and at most the rows of the bank, or a larger bank."
        )
    if chunk < 1:
        raise ValueError(f"kNN needs a chunk of at least 1 query, got chunk={chunk}.")
    dtype = torch.promote_types(torch.promote_types(queries.dtype, bank.dtype), torch.float32)
    blocks = bank.split(_BANK_ROWS)
    # The cosines are scaled instead of the bank, which may be larger than all the rest.
    norms = [torch.linalg.vector_norm(b.to(dtype), dim=1).clamp_(min=1e-12) for b in blocks]
    # One buffer, since fresh memory of this size costs as much as a tenth of the product.
    buffer = norms[0].new_empty(min(chunk, len(queries)) * len(norms[0]))
    for rows in queries.split(chunk):
        with torch.autocast(queries.device.type, enabled=False):
            unit_QF = unit_rows(rows.to(dtype))
            yield _nearest(unit_QF, blocks, norms, k, buffer)


def _nearest(
    unit_QF: Tensor, blocks: Sequence[Tensor], norms: Sequence[Tensor], k: int, buffer: Tensor
) -> tuple[Tensor, Tensor]:
    """The k nearest of all blocks ``(m, F)``, of rows with norms ``(m,)``: ``(Q, k)`` twice."""
    best: tuple[Tensor, Tensor] | None = None
    start = 0
    for block, norm in zip(blocks, norms, strict=True):
        sim_Qm = buffer[: len(unit_QF) * len(block)].view(len(unit_QF), len(block))
        torch.mm(unit_QF, block.to(unit_QF.dtype).T, out=sim_Qm)
        cosine, index = hardest_columns(sim_Qm.div_(norm), min(k, len(block)))
        index += start
        start += len(block)
        if best is not None:
            cosine, index = (torch.cat(two, 1) for two in zip(best, (cosine, index), strict=True))
            cosine, at = cosine.topk(min(k, cosine.shape[1]), dim=1)
            index = index.gather(1, at)
        best = cosine, index
    assert best is not None  # the bank has at least k rows
    return best


def vote_weights(cosine: Tensor, temperature: float | None) -> Tensor:
    """How much each neighbour's vote weighs, the nearest one's being 1.

    Args:
        cosine: ``(Q, k)``, the nearest first.
        temperature: Positive: exp(cos / temperature), over that of the nearest. None: all weigh 1.

    Returns:
        ``(Q, k)``.

    Raises:
        ValueError: If the temperature is not positive.
    """
    if temperature is None:
        return torch.ones_like(cosine)
    check_temperature(temperature)
    return torch.exp((cosine - cosine[:, :1]) / temperature)


def _check_shapes(queries: Tensor, bank: Tensor) -> None:
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(
            "kNN takes queries (Q, F) and bank (M, F) of one width F, got queries "
            f"{tuple(queries.shape)} and bank {tuple(bank.shape)}."
        )


def _check_labels(queries: Tensor, bank: Tensor, labels: Tensor, num_classes: int) -> None:
    _check_shapes(queries, bank)
    if labels.shape != bank.shape[:1]:
        raise ValueError(
            f"knn_scores() takes one label per bank row, got bank {tuple(bank.shape)} and labels "
            f"{tuple(labels.shape)}."
        )
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"knn_scores() takes labels from 0 to num_classes - 1 = {num_classes - 1}, got labels "
            f"from {low} to {high}. Leave unlabelled rows (-1) out of the bank."
        )
