"""What MoCHi's mixes are made of, without the mixes.

A mix is a sum of rows of the queue, and perhaps of the query, over its length. Its dot product with
the query is the same sum of theirs, and a weight on the mix is one on each of its parts.

Notation: c queries, K rows in the queue, H hardest of them for each query, S mixes of two hardest
and S' of a hardest with the query, D embedding size.
"""

import torch
from torch import Tensor

# Rows of the queue gathered at once: few enough to stay in the caches.
_ROWS = 4096
# Least norm that is divided by: opposite rows can cancel.
_SMALLEST = 1e-12


class MixFactors:
    """The mixes of c queries, as factors of what they are mixed from.

    Args:
        unit: (c, D) queries.
        queue: (K, D) rows.
        norms: (K,) of the rows.
        near: (c, H) dot products with the hardest rows.
        columns: (c, H) int64, which rows these are.
        draws: Of the mixes: (2, c, S) columns of the hardest, (c, S) weights of the first, (c, S')
            columns and (c, S') weights of the query.
    """

    def __init__(
        self,
        unit: Tensor,
        queue: Tensor,
        norms: Tensor,
        near: Tensor,
        columns: Tensor,
        draws: list[Tensor],
    ) -> None:
        self.near = near
        (self.first, self.second), weight, self.index, query_weight = draws
        ends = columns.gather(1, self.first), columns.gather(1, self.second)
        length = _pair_norms(queue, ends[0], ends[1], weight)
        self.first_factor, self.second_factor = weight / length, (1 - weight) / length
        self.own = torch.linalg.vecdot(unit, unit).unsqueeze(1)  # 1, or 0 for a row of zeros
        other, row_norm = 1 - query_weight, norms[columns].gather(1, self.index)
        square = query_weight.square() * self.own + (other * row_norm).square()
        square += 2 * query_weight * other * near.gather(1, self.index)
        length = square.clamp_min_(_SMALLEST**2).sqrt_()
        self.query_factor, self.row_factor = query_weight / length, other / length

    def products(self) -> Tensor:
        """(c, S+S') dot products of the queries with their mixes."""
        pairs = self.first_factor * self.near.gather(1, self.first)
        pairs.addcmul_(self.second_factor, self.near.gather(1, self.second))
        queries = self.query_factor * self.own
        queries = queries.addcmul_(self.row_factor, self.near.gather(1, self.index))
        return torch.cat([pairs, queries], dim=1)

    def shares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """What weights (c, S+S') of the mixes come to: (c, H) on the rows, (c, 1) on the query."""
        pairs, queries = weights.split([self.first.shape[1], self.index.shape[1]], dim=1)
        on_hardest = torch.zeros_like(self.near)
        on_hardest.scatter_add_(1, self.first, self.first_factor * pairs)
        on_hardest.scatter_add_(1, self.second, self.second_factor * pairs)
        on_hardest.scatter_add_(1, self.index, self.row_factor * queries)
        return on_hardest, (self.query_factor * queries).sum(1, keepdim=True)


def _pair_norms(queue: Tensor, first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Norms (c, S) of α n_a + (1-α) n_b, for rows a, b (c, S) and α (c, S)."""
    count = weight.numel()
    norms = weight.new_empty(count)
    ends = queue.new_empty(2, min(count, _ROWS), queue.shape[1])
    first, second, share = first.flatten(), second.flatten(), weight.reshape(-1, 1)
    for begin in range(0, count, _ROWS):
        at = slice(begin, begin + _ROWS)
        a, b = ends[:, : len(first[at])]
        torch.index_select(queue, 0, first[at], out=a)
        torch.index_select(queue, 0, second[at], out=b)
        torch.linalg.vector_norm(torch.lerp(b, a, share[at], out=b), dim=1, out=norms[at])
    return norms.clamp_min_(_SMALLEST).view_as(weight)
