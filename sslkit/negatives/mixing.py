"""MoCHi: further negatives, mixed from each anchor's hardest.

N anchors, K rows in the bank, H hardest of them, S mixes of an anchor, D embedding size.
"""

import math

import torch
from torch import Tensor

from sslkit.functional.hardest import hardest_columns
from sslkit.functional.mix_products import pair_mix_products, query_mix_products
from sslkit.negatives.draws import columns, distinct_columns
from sslkit.negatives.pairs import Mixes, Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Setting

# Entries of the (N, K) scores that are held at once.
_SCORES = 2**22


class HardNegativeMixing(Plugin):
    """Hard negative mixing (MoCHi): synthetic negatives of each anchor's own.

    Of an anchor's H hardest negatives, S pairs are mixed with each other and S' are mixed with the
    anchor itself, on the unit sphere::

        h  ∝ α n_i + (1-α) n_j       α ~ U(0, 1),   i ≠ j
        h' ∝ β q + (1-β) n_j         β ~ U(0, 0.5)

    The mixes are constants: gradient reaches the anchor through its dot products with them, and
    nothing reaches the bank or the anchor's share in a mix. They join the negatives at hand; the
    bank stays as it is. An anchor with fewer than H negatives mixes those it has, one with fewer
    than two (one, for S') gets no mixes. Vectors that feature transformation has left longer or
    shorter are mixed as they are.

    The paper trains without mixes for the first 10 epochs of 200 on ImageNet-100 and the first 15
    on ImageNet-1k: ``schedule=PluginSchedule(start=10)``. While a schedule ramps, log(strength) is
    added to the logits of the mixes.

    Kalantidis, Sariyildiz, Pion, Weinzaepfel, Larlus, "Hard Negative Mixing for Contrastive
    Learning", 2020, https://arxiv.org/abs/2010.01028. The defaults are its best on ImageNet-100
    with MoCo v2; 512 and 256 are its other common choice.

    Args:
        hardest: H >= 2, the hardest negatives by dot product with the anchor.
        pairs: S >= 0, mixes of two negatives for each anchor.
        query_mixes: S' >= 0, mixes of the anchor with a negative.
        schedule: When it acts; None is always.

    Raises:
        ValueError: If a number is out of range.
    """

    adds_negatives = True

    def __init__(
        self,
        *,
        hardest: int = 1024,
        pairs: int = 1024,
        query_mixes: int = 128,
        schedule: PluginSchedule | None = None,
    ) -> None:
        super().__init__(schedule=schedule)
        if hardest < 2:
            raise ValueError(
                f"hardest must be at least 2, got {hardest}: mixes are made from that many of an "
                "anchor's hardest negatives. The paper uses 1024 of a queue of 16384 or more."
            )
        for name, count in (("pairs", pairs), ("query_mixes", query_mixes)):
            if count < 0:
                raise ValueError(
                    f"{name} must be 0 or more, got {count}: it is how many such mixes each anchor "
                    "gets. 0 leaves this kind out."
                )
        self.hardest, self.pairs, self.query_mixes = hardest, pairs, query_mixes

    def check(self, setting: Setting) -> None:
        """Refuse anchors with too few negatives to mix.

        Raises:
            ValueError: If every anchor has fewer than two negatives.
        """
        if self.pairs and setting.negatives is not None and setting.negatives < 2:
            raise ValueError(
                "HardNegativeMixing mixes two negatives of an anchor, but each anchor has "
                f"{setting.negatives} here. Use a larger batch or queue."
            )

    def forward(self, pairs: Pairs) -> Pairs:
        """Add the draws of the mixes; `make_mixes` or the loss makes them.

        Args:
            pairs: Embeddings with a bank (K, D) of at least one row.
        """
        if self.strength == 0 or self.pairs + self.query_mixes == 0:
            return pairs
        if pairs.mixes is not None:
            pairs = make_mixes(pairs)
        query = pairs.query
        generator = self.generator(query.device)
        counts = _counts(pairs, self.hardest)

        def uniform(size: int) -> Tensor:
            return torch.rand(
                (len(query), size), generator=generator, dtype=query.dtype, device=query.device
            )

        mixed = pairs.with_(
            mixes=Mixes(
                hardest=self.hardest,
                pair=distinct_columns(counts, self.pairs, generator=generator),
                pair_weight=uniform(self.pairs),
                query_index=columns(counts, self.query_mixes, generator=generator),
                query_weight=uniform(self.query_mixes) / 2,
            )
        )
        if self.strength == 1:
            return mixed
        return _make(mixed, math.log(self.strength))


def make_mixes(pairs: Pairs) -> Pairs:
    """Make the negatives whose draws the pairs carry, as their dot products with the anchors.

    They are appended to ``extra_cosine``. A few anchors are dealt with at a time, and never is
    there a tensor of size N·S·D or, on the way back, more than those anchors' part of (N, K).

    Args:
        pairs: Any; without ``mixes`` they are returned as they are.

    Returns:
        The pairs without ``mixes``.
    """
    return _make(pairs, 0.0)


def _make(pairs: Pairs, log_strength: float) -> Pairs:
    mixes = pairs.mixes
    if mixes is None:
        return pairs
    rows = max(1, _SCORES // max(1, len(pairs.bank)))
    bank = pairs.bank.detach()
    with torch.autocast(bank.device.type, enabled=False):
        squares = torch.linalg.vecdot(bank, bank)  # once, for all anchors
    made = torch.cat(
        [
            _products(pairs, mixes, slice(begin, begin + rows), squares)
            for begin in range(0, len(pairs.query), rows)
        ]
    )
    before = pairs.extra_cosine
    return pairs.with_(
        mixes=None,
        extra_cosine=made if before is None else torch.cat([before, made], dim=1),
        extra_log_weight=_log_weight(pairs, mixes, made, log_strength),
    )


def _products(pairs: Pairs, mixes: Mixes, part: slice, squares: Tensor) -> Tensor:
    """Dot products (n, S+S') of some anchors with their mixes."""
    query, bank = pairs.query[part], pairs.bank.detach()
    with torch.autocast(query.device.type, enabled=False):
        # All that follows is linear in the anchors, so autograd keeps no copy of the scores.
        scores = query @ bank.T
        ranked = scores.detach()
        if pairs.mask is not None:
            ranked = ranked.masked_fill(~pairs.mask[part], -torch.inf)
        _, hard = hardest_columns(ranked, min(mixes.hardest, len(bank)))
        near = scores.gather(1, hard)
    between = pair_mix_products(
        near, bank, hard, mixes.pair[:, part], mixes.pair_weight[part], squares=squares
    )
    towards = query_mix_products(
        query,
        near,
        bank,
        hard,
        mixes.query_index[part],
        mixes.query_weight[part],
        squares=squares,
    )
    return torch.cat([between, towards], dim=1)


def _counts(pairs: Pairs, hardest: int) -> Tensor:
    """How many hardest negatives (N,) each anchor has to mix."""
    if pairs.mask is not None:
        return pairs.mask.sum(1).clamp_max(hardest)
    available = min(hardest, len(pairs.bank))
    return torch.full((len(pairs.query),), available, device=pairs.query.device)


def _log_weight(pairs: Pairs, mixes: Mixes, made: Tensor, log_strength: float) -> Tensor | None:
    """What is added to the logits of all extras once these are among them; None for nothing."""
    full = pairs.mask is None and len(pairs.bank) >= 2
    if full and log_strength == 0 and pairs.extra_log_weight is None:
        return None
    own = torch.full_like(made, log_strength)
    if not full:
        # Without two negatives (one, for a mix with the anchor) what was made is made from others.
        counts = _counts(pairs, mixes.hardest)[:, None]
        between, towards = own.split([mixes.pair.shape[2], mixes.query_index.shape[1]], dim=1)
        between.masked_fill_(counts < 2, -torch.inf)
        towards.masked_fill_(counts < 1, -torch.inf)
    before = pairs.extra_log_weight
    if before is None:
        parts = (pairs.extra, pairs.extra_cosine)
        width = sum(part.shape[1] for part in parts if part is not None)
        before = made.new_zeros(len(made), width)
    return torch.cat([before, own], dim=1)
