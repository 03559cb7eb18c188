"""Noise vectors as further negatives, moved to where they are hard (DCLR).

N anchors, K rows in the bank, M noise vectors, D embedding size.
"""

import math

import torch
from torch import Tensor, nn

from sslkit.functional.normalise import unit_rows
from sslkit.functional.selection import ascend_noise, false_negatives
from sslkit.negatives.guided import Guide, check_guide, check_momentum, guide_similarity, without
from sslkit.negatives.pairs import Info, Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Setting


class NoiseNegatives(Plugin):
    """Add Gaussian noise to the bank, after ascent on the loss; mask what a guide finds too alike.

    For N anchors on this rank, ``per_anchor``·N vectors are drawn from N(0, I) and shared by all
    anchors. ``steps`` times, each moves ``step_size`` along its own gradient of the loss, divided
    by its length; the loss reads their unit rows beside what the pairs hold already. The vectors'
    length is about √D, so steps of the paper's size turn them a little only. Nothing flows back
    through the ascent: their unit rows are fixed negatives. Every step costs a forward pass of the
    loss and the gradient to the noise.

    With a guide, negatives with a guide's cosine above φ are masked, after the ascent and not in
    it: the paper's form, whose weight 0 takes them out of the denominator. The authors' code
    multiplies their logit by 0 instead, in a loss of its own, which is not offered.

    While a schedule ramps, noise counts ``strength`` of a negative and a false negative 1 -
    strength.

    Zhou et al., "Debiased Contrastive Learning of Unsupervised Sentence Representations", 2022,
    https://arxiv.org/abs/2205.00656, with a frozen guide and φ of 0.9 or 0.85, for sentences.

    Args:
        per_anchor: Noise vectors for each anchor, at least 1.
        steps: Of the ascent; 0 leaves plain noise.
        step_size: Length of a step, at least 0.
        guide: ``momentum``, or a module, views (B,C,S,S) -> (B,G), see `FalseNegativeMask`; None
            masks nothing.
        phi: φ in [0, 1].
        schedule: When it acts; None is always.

    Raises:
        TypeError: If the guide is neither.
        ValueError: If an argument is outside its range.
    """

    adds_negatives = True

    def __init__(
        self,
        *,
        per_anchor: int = 1,
        steps: int = 4,
        step_size: float = 1e-3,
        guide: Guide | None = None,
        phi: float = 0.9,
        schedule: PluginSchedule | None = None,
    ) -> None:
        super().__init__(schedule=schedule)
        if per_anchor < 1 or steps < 0:
            raise ValueError(
                f"per_anchor must be at least 1 and steps at least 0, got {per_anchor} and {steps}."
            )
        if not math.isfinite(step_size) or step_size < 0:
            raise ValueError(
                f"step_size must be a finite number of at least 0, got {step_size}; the paper has "
                "1e-3."
            )
        if not 0 <= phi <= 1:
            raise ValueError(f"phi must lie in [0, 1], got {phi}: it bounds a cosine.")
        if guide is not None:
            check_guide(guide)
        self.per_anchor, self.steps, self.step_size = per_anchor, steps, step_size
        self.guide = guide
        self.phi = phi

    def check(self, setting: Setting) -> None:
        """Refuse the momentum encoder as a guide where there is none.

        Raises:
            ValueError: If so.
        """
        check_momentum(self, setting)

    def forward(self, pairs: Pairs) -> Pairs:
        """Lengthen the bank, and narrow the mask; the very same pairs at strength 0.

        Args:
            pairs: Embeddings in at least float32, with the guide's features if there is a guide.

        Raises:
            ValueError: If the guide's features are not there.
        """
        if self.strength == 0:
            return pairs
        fixed = _detached(pairs)

        def loss(noise: Tensor) -> Tensor:
            return pairs.score(_with_noise(fixed, unit_rows(noise), self.strength)).sum()

        query = fixed.query
        generator = self.generator(query.device)
        size = (self.per_anchor * len(query), query.shape[1])
        drawn = torch.randn(size, generator=generator, dtype=query.dtype, device=query.device)
        noise = ascend_noise(drawn, loss, steps=self.steps, step_size=self.step_size)
        if self.guide is not None:
            with torch.no_grad():
                similarity = guide_similarity(pairs, self)
                own = torch.ones_like(similarity[:, 0])
                false = false_negatives(similarity, own, margin=None, threshold=self.phi)
            pairs = without(pairs, false, self.strength)
        return _with_noise(pairs, unit_rows(noise), self.strength)

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        guided = "" if self.guide is None else f", phi={self.phi}"
        which = ", guide='momentum'" if self.guide == "momentum" else ""
        return (
            f"per_anchor={self.per_anchor}, steps={self.steps}, step_size={self.step_size}"
            f"{which}{guided}"
        )


def _with_noise(pairs: Pairs, noise: Tensor, strength: float) -> Pairs:
    """Pairs with rows (M, D) appended to the bank, as negatives of all anchors."""
    count = len(noise)
    mask, weight, info = pairs.mask, pairs.log_weight, pairs.bank_info
    if mask is not None:
        mask = nn.functional.pad(mask, (0, count), value=True)
    if weight is None and strength < 1:
        weight = pairs.query.new_zeros(len(pairs.query), len(pairs.bank))
    if weight is not None:
        weight = nn.functional.pad(weight, (0, count), value=math.log(strength))
    return pairs.with_(
        bank=torch.cat([pairs.bank, noise]),
        mask=mask,
        log_weight=weight,
        bank_info=None if info is None else _with_nobody(info, count),
    )


def _with_nobody(info: Info, count: int) -> Info:
    """Rows of no image: no label, no index, and unlike everything to a guide."""
    label, index = (
        nn.functional.pad(known, (0, count), value=-1) for known in (info.label, info.index)
    )
    guide = info.guide
    return Info(label, index, None if guide is None else nn.functional.pad(guide, (0, 0, 0, count)))


def _detached(pairs: Pairs) -> Pairs:
    """The same numbers, through which no gradient flows."""
    parts = {
        name: value.detach() for name, value in vars(pairs).items() if isinstance(value, Tensor)
    }
    return pairs.with_(**parts)
