"""Some of a batch's anchors with their scores: enough to see how a step compares its pairs.

N anchors of the batch, n of the sample, P positives each, K rows in the bank, H hardest of them, M
negatives in all, D embedding size.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sslkit.negatives.mixing import make_mixes
from sslkit.negatives.pairs import Info, Mixes, Pairs

_OF_ANCHORS = (
    "query",
    "positive",
    "mask",
    "positive_weight",
    "log_weight",
    "extra",
    "extra_cosine",
    "extra_log_weight",
)


@dataclass(frozen=True)
class PairSample:
    """Pairs of a few anchors.

    Attributes:
        whole: The pairs of all N anchors.
        few: The pairs of n of them, mixes made.
        bank_score: (n, K) dot products of the few with the bank.
    """

    whole: Pairs
    few: Pairs
    bank_score: Tensor

    @cached_property
    def score(self) -> Tensor:
        """(n, M) dot products with the bank, then with the negatives of each anchor's own."""
        own = []
        if self.few.extra is not None:
            own.append((self.few.extra @ self.few.query[..., None])[..., 0])
        if self.few.extra_cosine is not None:
            own.append(self.few.extra_cosine)
        return torch.cat([self.bank_score, *own], 1) if own else self.bank_score

    @cached_property
    def log_weight(self) -> Tensor | None:
        """(n, M) what is added to the logits; None is 0."""
        shared, own = self.few.log_weight, self.few.extra_log_weight
        if shared is None and own is None:
            return None
        shared = torch.zeros_like(self.bank_score) if shared is None else shared
        return torch.cat([shared, self._padding() if own is None else own], 1)

    @cached_property
    def counted(self) -> Tensor | None:
        """(n, M) bool, which are negatives; None is all. One of weight 0 is none."""
        mask = self.few.mask
        if mask is not None:
            mask = torch.cat([mask, self._padding() == 0], 1)
        if self.log_weight is None:
            return mask
        weighs = self.log_weight > -torch.inf
        return weighs if mask is None else mask & weighs

    def _padding(self) -> Tensor:
        """Zeros, one for each of the anchors' own negatives."""
        rows, total = self.score.shape
        return self.score.new_zeros(rows, total - self.bank_score.shape[1])


def sample_pairs(pairs: Pairs, count: int, like: PairSample | None = None) -> PairSample:
    """Pairs of some of the anchors, spread evenly over all of them.

    Nothing is drawn, so that no random generator moves: batches are shuffled already. Nothing is
    read from the device.

    Args:
        pairs: Of N anchors.
        count: n; N where there are fewer.
        like: A sample of as many anchors, whose scores are taken where the vectors are the same.
    """
    total = len(pairs.query)
    count = min(count, total)
    rows = torch.arange(count, device=pairs.query.device) * total // count
    few = pairs.with_(
        **{name: _rows(getattr(pairs, name), rows) for name in _OF_ANCHORS},
        query_info=None if pairs.query_info is None else _info_of(pairs.query_info, rows),
        mixes=None if pairs.mixes is None else _mixes_of(pairs.mixes, rows),
    )
    if like is not None and (like.whole.query is pairs.query and like.whole.bank is pairs.bank):
        score = like.bank_score
    else:
        score = few.query @ few.bank.mT
    return PairSample(pairs, _made(few, score), score)


def _rows(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values[rows]


def _info_of(info: Info, rows: Tensor) -> Info:
    return Info(info.label[rows], info.index[rows], _rows(info.guide, rows))


def _mixes_of(mixes: Mixes, rows: Tensor) -> Mixes:
    return Mixes(
        hardest=mixes.hardest,
        pair=mixes.pair[:, rows],
        pair_weight=mixes.pair_weight[rows],
        query_index=mixes.query_index[rows],
        query_weight=mixes.query_weight[rows],
    )


def _made(pairs: Pairs, score: Tensor) -> Pairs:
    """The pairs with their mixes made; from a large bank, without reading all of it again."""
    if pairs.mixes is None:
        return pairs
    n, hardest = len(pairs.query), pairs.mixes.hardest
    if n * hardest >= len(pairs.bank):
        return make_mixes(pairs)
    if pairs.mask is not None:
        score = score.masked_fill(~pairs.mask, -torch.inf)
    hard = score.topk(hardest, dim=1)
    # A bank of the rows that are needed, in which each anchor has its own hardest as negatives.
    own = torch.eye(n, dtype=torch.bool, device=score.device).repeat_interleave(hardest, 1)
    made = make_mixes(
        pairs.with_(
            bank=pairs.bank[hard.indices.flatten()],
            mask=own & (hard.values > -torch.inf).flatten(),
        )
    )
    return pairs.with_(
        mixes=None, extra_cosine=made.extra_cosine, extra_log_weight=made.extra_log_weight
    )
