"""Where negatives come from: both views of the batch, the other view, or a queue of past keys.

n local images of N on all ranks, D embedding size, K rows in a queue. Embeddings come raw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sslkit.functional import unit_rows
from sslkit.functional.in_batch import check_block, unit_block
from sslkit.negatives.pairs import Info, Pairs

Score = Callable[[Pairs], Tensor]


@dataclass(frozen=True)
class InBatch:
    """A view's positive is the other view of its image, its negatives all views of other images.

    Attributes:
        temperature: τ of the loss.
        score: The loss of each anchor, for plug-ins that look at it.
    """

    temperature: float
    score: Score

    def __call__(
        self,
        z1: Tensor,
        z2: Tensor,
        all1: Tensor,
        all2: Tensor,
        *,
        offset: int,
        query_info: Info | None = None,
        bank_info: Info | None = None,
    ) -> Pairs:
        """Pairs of 2n anchors, the first views before the second, and a bank of 2N rows.

        Args:
            z1: (n, D) raw local first views.
            z2: (n, D) raw local second views.
            all1: (N, D) raw first views of all ranks.
            all2: (N, D) raw second views of all ranks.
            offset: Row of ``all1`` where ``z1`` begins.
            query_info: Of the anchors.
            bank_info: Of the bank.

        Raises:
            ValueError: If the shapes do not fit together.
        """
        check_block(z1, z2, all1, all2, offset)
        anchors, everyone = unit_block(z1, z2, all1, all2)
        n, total = z1.shape[0], all1.shape[0]
        mask = torch.ones(2 * n, 2 * total, dtype=torch.bool, device=z1.device)
        for rows in mask.split(n):
            for columns in rows.split(total, dim=1):
                columns.diagonal(offset).fill_(False)
        return Pairs(
            query=anchors,
            positive=anchors.roll(n, 0).unsqueeze(1),
            bank=everyone,
            temperature=self.temperature,
            score=self.score,
            mask=mask,
            query_info=query_info,
            bank_info=bank_info,
        )


@dataclass(frozen=True)
class CrossView:
    """An anchor's positive is its image's embedding in the other view; the rest are its negatives.

    Attributes:
        temperature: τ of the loss.
        score: The loss of each anchor, for plug-ins that look at it.
    """

    temperature: float
    score: Score

    def __call__(
        self,
        anchors: Tensor,
        candidates: Tensor,
        *,
        offset: int,
        query_info: Info | None = None,
        bank_info: Info | None = None,
    ) -> Pairs:
        """Pairs of n anchors and a bank of N rows.

        Args:
            anchors: (n, D) raw embeddings of the local images in one view.
            candidates: (N, D) raw embeddings of all ranks' images in the other view.
            offset: Row of ``candidates`` with the positive of the first anchor.
            query_info: Of the anchors.
            bank_info: Of the bank.
        """
        wide = torch.promote_types(anchors.dtype, candidates.dtype)
        bank = unit_rows(candidates.to(wide))
        n, total = anchors.shape[0], bank.shape[0]
        mask = torch.ones(n, total, dtype=torch.bool, device=bank.device)
        mask.diagonal(offset).fill_(False)
        return Pairs(
            query=unit_rows(anchors.to(wide)),
            positive=bank[offset : offset + n].unsqueeze(1),
            bank=bank,
            temperature=self.temperature,
            score=self.score,
            mask=mask,
            query_info=query_info,
            bank_info=bank_info,
        )


@dataclass(frozen=True)
class Queue:
    """A query's positive is its key, its negatives are the keys of past batches.

    Attributes:
        temperature: τ of the loss.
        score: The loss of each anchor, for plug-ins that look at it.
    """

    temperature: float
    score: Score

    def __call__(
        self,
        queries: Tensor,
        keys: Tensor,
        rows: Tensor,
        *,
        positive_weight: Tensor | None = None,
        query_info: Info | None = None,
        bank_info: Info | None = None,
    ) -> Pairs:
        """Pairs of n anchors and a bank of K rows, all of which are negatives.

        Args:
            queries: (n, D) raw queries.
            keys: (n, D) raw keys, row by row the queries' partners; detached.
            rows: (K, D) unit rows; detached.
            positive_weight: (n,) factors on the logits of the positives; None is 1.
            query_info: Of the queries.
            bank_info: Of the rows.
        """
        query = unit_rows(queries)
        return Pairs(
            query=query,
            positive=unit_rows(keys.detach()).unsqueeze(1),
            bank=rows.detach().to(query.dtype),
            temperature=self.temperature,
            score=self.score,
            positive_weight=None if positive_weight is None else positive_weight.unsqueeze(1),
            query_info=query_info,
            bank_info=bank_info,
        )
