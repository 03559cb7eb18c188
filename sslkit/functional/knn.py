"""Weighted nearest-neighbour votes, the probe that has nothing to train.

Q queries, M rows in the bank, F feature width, C classes, k neighbours.
"""

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

from sslkit.functional.checks import check_temperature
from sslkit.functional.normalise import unit_rows


@overload
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int,
    num_classes: int,
    temperature: float = ...,
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
    temperature: float = ...,
    chunk: int = ...,
) -> dict[int, Tensor]: ...
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int | Sequence[int],
    num_classes: int,
    temperature: float = 0.07,
    chunk: int = 512,
) -> Tensor | dict[int, Tensor]:
    """Class votes of the k nearest bank rows by cosine, each weighing exp(cos / temperature).

    The weighted vote of Wu et al., "Unsupervised feature learning via non-parametric instance
    discrimination" (2018), section 3.4: score(c) is the sum of exp(cos_j / temperature) over the
    neighbours j of class c. Every row of scores is divided by the weight of its nearest neighbour,
    which changes no ranking and keeps the exponential finite at any temperature.

    Args:
        queries: ``(Q, F)`` raw features; normalised here.
        bank: ``(M, F)`` raw features on the same device; normalised here.
        labels: ``(M,)`` integers in ``[0, num_classes)``, the classes of the bank's rows.
        k: How many neighbours vote, 1 to M. A sequence is answered from one pass over the bank.
        num_classes: C, the number of columns of the scores.
        temperature: Positive; the smaller, the more the nearest neighbours decide.
        chunk: Queries handled at once: memory is O(chunk * M), whatever Q is.

    Returns:
        ``(Q, C)`` non-negative scores in at least float32, whose argmax is the prediction; for a
        sequence of k, a dict from each k to its scores.

    Raises:
        ValueError: On shapes that do not fit together, k outside 1 to M, a label outside the
            classes, or a temperature or chunk that is not positive.
    """
    neighbours = [k] if isinstance(k, int) else list(k)
    _check(queries, bank, labels, neighbours, num_classes, chunk)
    check_temperature(temperature)
    dtype = torch.promote_types(queries.dtype, bank.dtype)
    with torch.autocast(queries.device.type, enabled=False):
        bank_MF = unit_rows(bank.to(dtype))
        parts: list[list[Tensor]] = [[] for _ in neighbours]
        for rows in queries.split(chunk):
            sim_QM = unit_rows(rows.to(dtype)) @ bank_MF.T
            cosine, index = sim_QM.topk(max(neighbours), dim=1)
            weight = torch.exp((cosine - cosine[:, :1]) / temperature)
            owner = labels[index].long()
            for part, count in zip(parts, neighbours, strict=True):
                votes = weight.new_zeros(len(rows), num_classes)
                part.append(votes.scatter_add_(1, owner[:, :count], weight[:, :count]))
    scores = [torch.cat(part) for part in parts]
    return scores[0] if isinstance(k, int) else dict(zip(neighbours, scores, strict=True))


def _check(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    neighbours: list[int],
    num_classes: int,
    chunk: int,
) -> None:
    shapes = (
        f"queries {tuple(queries.shape)}, bank {tuple(bank.shape)}, labels {tuple(labels.shape)}"
    )
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(f"knn_scores() takes queries (Q, F) and bank (M, F), got {shapes}.")
    if labels.shape != bank.shape[:1]:
        raise ValueError(f"knn_scores() takes one label per bank row, got {shapes}.")
    if not neighbours or min(neighbours) < 1:
        raise ValueError(f"knn_scores() needs k of at least 1, got k={neighbours}.")
    if max(neighbours) > len(bank):
        raise ValueError(
            f"knn_scores() was asked for k={max(neighbours)} neighbours of a bank with only "
            f"{len(bank)} rows. Use a smaller k or a larger bank."
        )
    if chunk < 1:
        raise ValueError(f"knn_scores() needs a chunk of at least 1 query, got chunk={chunk}.")
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"knn_scores() takes labels from 0 to num_classes - 1 = {num_classes - 1}, got labels "
            f"from {low} to {high}. Leave unlabelled rows (-1) out of the bank."
        )
