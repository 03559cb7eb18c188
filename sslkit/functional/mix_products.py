"""Dot products of anchors with MoCHi's mixes, without the mixes.

Notation: N anchors, K rows in the bank of negatives, H hardest of them for each anchor, S mixes of
each anchor, D embedding size. Everything is in the precision of its inputs, outside autocast.
"""

import torch
from torch import Tensor

from sslkit.functional.mixing import check_hard, check_pairs_of, check_queries_of, check_query

# Least squared norm that is divided by: opposite rows can cancel.
_SMALLEST = 1e-24
# Rows of the bank gathered at once: few enough to stay in the cache.
_PIECE = 8192


def pair_mix_products(
    near: Tensor,
    bank: Tensor,
    hard: Tensor,
    pair: Tensor,
    weight: Tensor,
    *,
    squares: Tensor | None = None,
) -> Tensor:
    """Dot products of anchors with their `mix_pairs`, from those with the hard rows.

    Only dot products of pairs of rows are needed beside ``near``, so nothing of size N·S·D is held.
    The mixes are constants: gradient flows through ``near`` alone, and reaches an anchor as if its
    mixes had been made and detached.

    Args:
        near: (N, H) dot products of each anchor with its hardest rows.
        bank: (K, D) rows of any length, float32 or float64.
        hard: (N, H) int64, rows of the bank.
        pair: (2, N, S) int64, columns of ``hard``.
        weight: (N, S), α of the first.
        squares: (K,) dot products of the bank's rows with themselves; None computes them.

    Returns:
        (N, S) dot products.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_hard(bank, hard)
    check_pairs_of(hard, pair, weight)
    with torch.no_grad(), torch.autocast(bank.device.type, enabled=False):
        first, second = (hard.gather(1, column).flatten() for column in pair)
        squares = torch.linalg.vecdot(bank, bank) if squares is None else squares
        other = 1 - weight
        length = (
            weight.square() * squares[first].view_as(weight)
            + other.square() * squares[second].view_as(weight)
            + 2 * weight * other * _row_products(bank, first, second).view_as(weight)
        )
        scale = length.clamp_min(_SMALLEST).rsqrt()
        first_factor, second_factor = weight * scale, other * scale
    return first_factor * near.gather(1, pair[0]) + second_factor * near.gather(1, pair[1])


def query_mix_products(
    q: Tensor,
    near: Tensor,
    bank: Tensor,
    hard: Tensor,
    index: Tensor,
    weight: Tensor,
    *,
    squares: Tensor | None = None,
) -> Tensor:
    """Dot products of anchors with their `mix_queries`, from those with the hard rows.

    The mixes are constants, the anchor's share in them too: gradient flows through ``near`` and
    through one factor of q·q.

    Args:
        q: (N, D) anchors of any length, float32 or float64.
        near: (N, H) dot products of each anchor with its hardest rows.
        bank: (K, D) rows of any length.
        hard: (N, H) int64, rows of the bank.
        index: (N, S) int64, columns of ``hard``.
        weight: (N, S), β of the anchor.
        squares: (K,) dot products of the bank's rows with themselves; None computes them.

    Returns:
        (N, S) dot products.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_hard(bank, hard)
    check_query(q, bank, hard)
    check_queries_of(hard, index, weight)
    with torch.autocast(bank.device.type, enabled=False):
        own = torch.linalg.vecdot(q, q.detach())[:, None]
        product = near.gather(1, index)
        with torch.no_grad():
            squares = torch.linalg.vecdot(bank, bank) if squares is None else squares
            other = 1 - weight
            length = (
                weight.square() * own
                + other.square() * squares[hard.gather(1, index)]
                + 2 * weight * other * product
            )
            scale = length.clamp_min(_SMALLEST).rsqrt()
            own_factor, other_factor = weight * scale, other * scale
        return own_factor * own + other_factor * product


def _row_products(bank: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Dot products (M,) of rows ``first`` and ``second`` (M,) of the bank, a piece at a time."""
    products = bank.new_empty(len(first))
    for begin in range(0, len(first), _PIECE):
        piece = slice(begin, begin + _PIECE)
        left, right = (bank.index_select(0, rows[piece]) for rows in (first, second))
        products[piece] = torch.linalg.vecdot(left, right)
    return products
