"""Feature transformation: positives pushed apart, negatives mixed with each other.

N anchors, P positives each, K rows in the bank, D embedding size.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from sslkit.functional.mixing import extrapolate_positives, interpolate_negatives
from sslkit.functional.normalise import unit_rows
from sslkit.negatives.draws import symmetric_beta
from sslkit.negatives.pairs import Info, Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Setting


class PositiveExtrapolation(Plugin):
    """Positive extrapolation of feature transformation: harder positives.

    Anchor and positive move apart on the line through both, without re-normalising::

        q̃ = λ q + (1-λ) k      k̃ = λ k + (1-λ) q      λ = 1 + Beta(α, α)

    q̃ is compared with the negatives too, and k̃ contains the anchor with its gradient. An anchor of
    several positives moves away from their mean. Keys are queued as they were. While a schedule
    ramps, λ goes from 1 to its draw: 1 + strength·(λ-1).

    Zhu, Zhao, Huang et al., "Improving Contrastive Learning by Visualizing Feature Transformation",
    2021, https://arxiv.org/abs/2108.02982; the defaults are the authors'.

    Args:
        alpha: α > 0 of the Beta distribution; the larger, the nearer λ is to 1.5.
        elementwise: Draw a coefficient for each of the D elements (their ``dim_mask pos``).
        per: Draw once for the ``batch`` (of this rank) or for each ``sample``. None follows the
            authors: batch, or sample where element-wise.
        renormalise: Bring q̃ and k̃ back to length one (their ``postmix_norm``).
        schedule: When it acts; None is always.

    Raises:
        ValueError: If alpha is not positive or ``per`` is another word.
    """

    changes_vectors = True

    def __init__(
        self,
        *,
        alpha: float = 2.0,
        elementwise: bool = False,
        per: Literal["batch", "sample"] | None = None,
        renormalise: bool = False,
        schedule: PluginSchedule | None = None,
    ) -> None:
        super().__init__(schedule=schedule)
        self.alpha, self.elementwise, self.renormalise = alpha, elementwise, renormalise
        self.per = _drawn_per(alpha, per, elementwise)

    def forward(self, pairs: Pairs) -> Pairs:
        """Replace anchors and positives.

        Args:
            pairs: Embeddings in at least float32.
        """
        if self.strength == 0:
            return pairs
        query, positive = pairs.query, pairs.positive
        shape = _shape(query, self.per, self.elementwise)
        generator = self.generator(query.device)
        drawn = symmetric_beta(self.alpha, shape, generator=generator, dtype=query.dtype)
        lam = 1 + self.strength * drawn
        each = [extrapolate_positives(query, key, lam) for key in positive.unbind(1)]
        # As q̃ is linear in the key, the mean of these is q̃ for the mean key.
        moved = each[0][0] if len(each) == 1 else torch.stack([q for q, _ in each]).mean(0)
        keys = [unit_rows(k) if self.renormalise else k for _, k in each]
        return pairs.with_(
            query=unit_rows(moved) if self.renormalise else moved,
            positive=torch.stack(keys, dim=1),
        )


class NegativeInterpolation(Plugin):
    """Negative interpolation of feature transformation: more diverse negatives.

    Every row of the bank is mixed with another one, by one random permutation π of the whole bank::

        ñ_j = μ n_j + (1-μ) n_π(j)       μ ~ Beta(α, α)

    without re-normalising; the queue itself is left as it is. A mixed row is a negative of an
    anchor only where both its parts are, with the smaller of their weights, so masks come before
    this plug-in. It is known by the label and index that both parts share. While a schedule ramps,
    μ goes from 1 to its draw: 1 - strength·(1-μ).

    Zhu, Zhao, Huang et al., "Improving Contrastive Learning by Visualizing Feature Transformation",
    2021, https://arxiv.org/abs/2108.02982; the defaults are the authors'.

    Args:
        alpha: α > 0 of the Beta distribution; the larger, the nearer μ is to a half.
        elementwise: Draw a coefficient for each of the D elements (their ``dim_mask neg``).
        per: Draw once for the whole bank (``batch``, on this rank) or for each of its rows
            (``sample``). None follows the authors: batch, or sample where element-wise.
        renormalise: Bring the mixed rows back to length one, which the authors never do.
        schedule: When it acts; None is always.

    Raises:
        ValueError: If alpha is not positive or ``per`` is another word.
    """

    changes_vectors = True

    def __init__(
        self,
        *,
        alpha: float = 1.6,
        elementwise: bool = False,
        per: Literal["batch", "sample"] | None = None,
        renormalise: bool = False,
        schedule: PluginSchedule | None = None,
    ) -> None:
        super().__init__(schedule=schedule)
        self.alpha, self.elementwise, self.renormalise = alpha, elementwise, renormalise
        self.per = _drawn_per(alpha, per, elementwise)

    def check(self, setting: Setting) -> None:
        """Refuse a batch in which mixing can leave an anchor without negatives.

        Raises:
            ValueError: If negatives come from the batch and are at most two.
        """
        negatives = setting.negatives
        if setting.source == "batch" and negatives is not None and negatives <= 2:
            raise ValueError(
                "NegativeInterpolation keeps a mixed row as a negative only where both its parts "
                f"are; of the {negatives} negatives of an anchor in this batch that can leave "
                "none. Use a batch of at least 3 images."
            )

    def forward(self, pairs: Pairs) -> Pairs:
        """Replace the bank, and what is known about its rows.

        Args:
            pairs: Embeddings in at least float32.
        """
        if self.strength == 0:
            return pairs
        bank = pairs.bank
        generator = self.generator(bank.device)
        permutation = torch.randperm(len(bank), generator=generator, device=bank.device)
        shape = _shape(bank, self.per, self.elementwise)
        drawn = symmetric_beta(self.alpha, shape, generator=generator, dtype=bank.dtype)
        mu = 1 - self.strength * (1 - drawn)
        mixed = interpolate_negatives(bank, permutation, mu)
        mask, weight, info = pairs.mask, pairs.log_weight, pairs.bank_info
        return pairs.with_(
            bank=unit_rows(mixed) if self.renormalise else mixed,
            mask=None if mask is None else mask & mask[:, permutation],
            log_weight=None if weight is None else torch.minimum(weight, weight[:, permutation]),
            bank_info=None if info is None else _mixed_info(info, permutation, mu),
        )


def _mixed_info(info: Info, permutation: Tensor, mu: Tensor) -> Info:
    """What is known about rows mixed by ``mu``: what both parts agree in."""

    def shared(known: Tensor) -> Tensor:
        return torch.where(known == known[permutation], known, -1)

    guide = info.guide
    if guide is not None:
        # Elements of an embedding have no counterpart in the guide's features.
        share = mu.mean(-1, keepdim=True) if mu.ndim == 2 else mu
        guide = unit_rows(interpolate_negatives(guide, permutation, share))
    return Info(shared(info.label), shared(info.index), guide)


def _drawn_per(
    alpha: float, per: Literal["batch", "sample"] | None, elementwise: bool
) -> Literal["batch", "sample"]:
    if not math.isfinite(alpha) or alpha <= 0:
        raise ValueError(
            f"alpha must be a finite number above 0, got {alpha}: coefficients are drawn from "
            "Beta(alpha, alpha). The paper uses 2.0 for positives and 1.6 for negatives."
        )
    if per not in (None, "batch", "sample"):
        raise ValueError(
            f"per must be batch (one draw for all rows) or sample (one for each), got {per!r}."
        )
    return per or ("sample" if elementwise else "batch")


def _shape(rows: Tensor, per: str, elementwise: bool) -> tuple[int, ...]:
    """Of the coefficients of rows (n, D): () for one, else what broadcasts to (n, D)."""
    if per == "batch" and not elementwise:
        return ()
    return (len(rows) if per == "sample" else 1, rows.shape[1] if elementwise else 1)
