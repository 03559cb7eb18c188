"""Plug-ins that take negatives away: all but the hardest, and those that are no negatives.

N anchors, K rows in the bank.
"""

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from sslkit.functional.selection import false_negatives, hardest_mask
from sslkit.negatives.guided import Guide, check_guide, check_momentum, guide_similarity, without
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Setting


class HardNegativeFilter(Plugin):
    """Keep the hardest negatives of each anchor: the rows of the bank nearest to it.

    Nearest by the dot product, of the rows that are negatives still; ties are broken somehow, so
    that the number is exact. Negatives of an anchor's own, mixed ones for example, stay. While a
    schedule ramps, the number falls from all to ``keep`` in proportion to the strength. A number
    that is not below that of the rows warns once, as nothing can fall away.

    Args:
        keep: How many as a whole number of at least 1, or which share of each anchor's negatives
            as a fraction in (0, 1]; at least one stays.
        schedule: When it acts; None is always.

    Raises:
        ValueError: If ``keep`` is neither.
    """

    def __init__(self, *, keep: int | float, schedule: PluginSchedule | None = None) -> None:
        super().__init__(schedule=schedule)
        fraction = isinstance(keep, float)
        if isinstance(keep, bool) or not (0 < keep <= 1 if fraction else keep >= 1):
            raise ValueError(
                f"keep must be how many negatives an anchor keeps (a whole number, 1 or more) or "
                f"which share of them (a fraction above 0, at most 1.0), got {keep!r}."
            )
        self.keep = keep
        self._warned = False

    def forward(self, pairs: Pairs) -> Pairs:
        """Narrow the mask; the very same pairs where nothing can fall away.

        Args:
            pairs: Embeddings in at least float32.
        """
        size = len(pairs.bank)
        if isinstance(self.keep, int) and self.keep >= size and not self._warned:
            self._warned = True
            rank_zero_warn(
                f"HardNegativeFilter(keep={self.keep}) changes nothing: there are {size} rows to "
                "choose from. Use a smaller number, or a share such as keep=0.5."
            )
        most, count = shrink(size, pairs.mask, self.keep, self.strength)
        if most >= size:
            return pairs
        with torch.no_grad():
            scores = pairs.query.detach() @ pairs.bank.detach().T
            return pairs.with_(mask=hardest_mask(scores, most, count=count, mask=pairs.mask))

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"keep={self.keep}"


class FalseNegativeMask(Plugin):
    """Take out negatives that a guide finds as similar to the anchor as its positive.

    With g the guide's cosine, row j is no negative of anchor i if::

        g(i, j) > g(i, i⁺) - margin      or      g(i, j) > threshold

    The positive is not among the negatives and is never touched; an anchor may be left without
    negatives, and then teaches nothing. While a schedule ramps, a false negative counts
    1 - strength of a negative. It comes before other masks and changes of the bank.

    - A module, a `FrozenGuide` for example, sees the views that the encoders see. g(i, i⁺) is its
      least similarity of the anchor and the rows of the bank that show the anchor's image: in the
      batch these are its positive and itself. Of images without an index, they are the rows that
      are no negatives already. Where there are none, which is usual in a queue, it counts as 1,
      that of an image with itself.
    - ``momentum`` compares the target embeddings of a momentum encoder: the anchor's key with the
      bank's. The key is the positive, so g(i, i⁺) is 1, and a margin is the same as a threshold.
      What it takes for alike is what training has made alike, so it should not start at step 0.

    Solatorio, "GISTEmbed: Guided In-sample Selection of Training Negatives", 2024,
    https://arxiv.org/abs/2402.16829, has margin 0 and a frozen guide in the batch.

    Args:
        guide: ``momentum``, or a module, views (B,C,S,S) -> (B,G). A `FrozenGuide` is not saved
            with the run; any other module is a part of it.
        margin: How far below g(i, i⁺) a row is still no negative, in [0, 2]; None leaves the rule
            out.
        threshold: Above it a row is no negative, in [-1, 1]; None leaves the rule out.
        schedule: When it acts; None is always.

    Raises:
        TypeError: If the guide is neither.
        ValueError: If an argument is outside its range, or nothing could ever be masked.
    """

    def __init__(
        self,
        *,
        guide: Guide,
        margin: float | None = 0.0,
        threshold: float | None = None,
        schedule: PluginSchedule | None = None,
    ) -> None:
        super().__init__(schedule=schedule)
        if margin is not None and not 0 <= margin <= 2:
            raise ValueError(f"margin must lie in [0, 2] or be None, got {margin}.")
        if threshold is not None and not -1 <= threshold <= 1:
            raise ValueError(
                f"threshold must lie in [-1, 1] or be None, got {threshold}: it is a cosine."
            )
        if margin is None and threshold is None:
            raise ValueError(
                "FalseNegativeMask with margin=None and threshold=None masks nothing: give at "
                "least one of them."
            )
        check_guide(guide)
        if guide == "momentum" and not margin and threshold is None:
            raise ValueError(
                "FalseNegativeMask with guide='momentum' needs a threshold (0.9 for example) or a "
                "margin above 0: a key is as similar to itself as can be, so nothing is more "
                "similar than the positive."
            )
        self.guide = guide
        self.margin, self.threshold = margin, threshold

    def check(self, setting: Setting) -> None:
        """Refuse a guide that is not there, or a rule that can mask nothing.

        Raises:
            ValueError: If so.
        """
        check_momentum(self, setting)
        if setting.source == "queue" and not self.margin and self.threshold is None:
            raise ValueError(
                "FalseNegativeMask needs a threshold (0.9 for example) or a margin above 0 with a "
                "queue: it does not hold the anchor's own image, whose similarity would be the "
                "bound."
            )

    def forward(self, pairs: Pairs) -> Pairs:
        """Narrow the mask, or weigh false negatives down; the very same pairs at strength 0.

        Args:
            pairs: Embeddings in at least float32, with the guide's features.

        Raises:
            ValueError: If there are none.
        """
        if self.strength == 0:
            return pairs
        with torch.no_grad():
            similarity = guide_similarity(pairs, self)
            own = torch.ones_like(similarity[:, 0])
            if self.guide != "momentum" and self.margin is not None:
                own = _own_similarity(pairs, similarity)
            false = false_negatives(similarity, own, margin=self.margin, threshold=self.threshold)
        return without(pairs, false, self.strength)

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        which = "guide='momentum', " if self.guide == "momentum" else ""
        return f"{which}margin={self.margin}, threshold={self.threshold}"


def shrink(
    size: int, mask: Tensor | None, keep: int | float, strength: float
) -> tuple[int, Tensor | None]:
    """How many negatives an anchor has left on the way from all to ``keep``.

    Args:
        size: K.
        mask: (N, K) bool, the negatives; None is all.
        keep: A number, or as a float a share.
        strength: How far on the way, in [0, 1].

    Returns:
        The number of an anchor for which all of the bank are negatives, and (N,) that of each
        anchor; None where it is the same for all that have as many.
    """
    target = max(round(keep * size), 1) if isinstance(keep, float) else min(keep, size)
    most = max(round(size + strength * (target - size)), 1)
    if mask is None or (isinstance(keep, int) and strength == 1):
        return most, None
    # The same in tensors: a number on the host would have to wait for the device.
    own = mask.sum(dim=1).float()
    left = (keep * own).round().clamp_min(1) if isinstance(keep, float) else own.clamp_max(keep)
    return most, (own + strength * (left - own)).round().clamp_min(1)


def _own_similarity(pairs: Pairs, similarity: Tensor) -> Tensor:
    """(N,) least similarity of an anchor and the rows that show its image; 1 without such rows."""
    assert pairs.query_info is not None and pairs.bank_info is not None
    index = pairs.query_info.index[:, None]
    own = index == pairs.bank_info.index
    unknown = index < 0
    own = own & ~unknown if pairs.mask is None else torch.where(unknown, ~pairs.mask, own)
    return similarity.masked_fill(~own, 1).amin(dim=1)
