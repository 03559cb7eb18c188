"""What a contrastive loss compares: the record that sources make and plug-ins change.

N anchors, P positives each, K shared negatives, S negatives of each anchor's own, D embedding size.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Info:
    """What is known about the images that rows belong to.

    Attributes:
        label: (n,) int64; −1 = unknown.
        index: (n,) int64, positions in the data set; −1 = unknown.
        guide: (n, G) unit features of a guide; None where no plug-in asks for them.
    """

    label: Tensor
    index: Tensor
    guide: Tensor | None = None


@dataclass(frozen=True)
class Mixes:
    """Draws of negatives that are mixed from each anchor's hardest, before they are made.

    Kept as draws, so that a loss can make the mixes a few anchors at a time. Columns count an
    anchor's H hardest negatives, from the hardest on.

    Attributes:
        hardest: H.
        pair: (2, N, S) int64, the two columns of each pair mix.
        pair_weight: (N, S), the weight of the first.
        query_index: (N, S') int64, the column of each query mix.
        query_weight: (N, S'), the weight of the query.
    """

    hardest: int
    pair: Tensor
    pair_weight: Tensor
    query_index: Tensor
    query_weight: Tensor


@dataclass(frozen=True)
class Pairs:
    """Anchors with their positives and negatives.

    Sources give unit rows; a plug-in may leave rows of another length. The logit of two vectors is
    their dot product over the temperature. What is None is absent.

    Attributes:
        query: (N, D) anchors.
        positive: (N, P, D) positives of each anchor.
        bank: (K, D) negatives that all anchors share.
        temperature: τ of the loss.
        score: The per-anchor loss (N,) of other pairs, differentiable, as the loss would give it.
        mask: (N, K) bool, True where a row of the bank is a negative of the anchor; None is all.
        positive_weight: (N, P) factors on the logits of the positives.
        log_weight: (N, K) added to the logits of the bank.
        extra: (N, S, D) negatives of each anchor's own.
        extra_cosine: (N, S) dot products of anchors with further negatives of their own.
        extra_log_weight: (N, S+S') added to the logits of ``extra``, then of ``extra_cosine``.
        mixes: Negatives of each anchor's own that are yet to be made.
        query_info: Of the anchors' images.
        bank_info: Of the bank's images.
    """

    query: Tensor
    positive: Tensor
    bank: Tensor
    temperature: float
    score: Callable[["Pairs"], Tensor]
    mask: Tensor | None = None
    positive_weight: Tensor | None = None
    log_weight: Tensor | None = None
    extra: Tensor | None = None
    extra_cosine: Tensor | None = None
    extra_log_weight: Tensor | None = None
    mixes: Mixes | None = None
    query_info: Info | None = None
    bank_info: Info | None = None

    def with_(self, **changes: Any) -> "Pairs":
        """These pairs with some of their parts replaced."""
        return replace(self, **changes)
