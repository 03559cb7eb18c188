"""Negatives sampled by how ambiguous they are (SimANS)."""

import math

import torch

from sslkit.functional.selection import ambiguous_log_weights, gumbel_scores, hardest_mask
from sslkit.negatives.masks import shrink
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule


class AmbiguousNegatives(Plugin):
    """Keep a sample of each anchor's negatives, the likelier the nearer below the positive.

    With cosines s_j of the negatives and s⁺ of the positive (the mean, of several), ``count``
    negatives are drawn without replacement, with chances in proportion to::

        w_j = exp( -a ((s_j - s⁺ + b)/τ)² )

    The likeliest have s_j = s⁺ - b: the sign is that of the authors' code, where their README has
    -b. Their scores are unbounded inner products; here a counts for scores over the temperature,
    and b for cosines. Drawn negatives weigh alike in the loss, others not at all; negatives of an
    anchor's own, mixed ones for example, stay. While a schedule ramps, the number falls from all to
    ``count`` in proportion to the strength.

    Zhou et al., "SimANS: Simple Ambiguous Negatives Sampling for Dense Text Retrieval", 2022,
    https://arxiv.org/abs/2210.11773, for text retrieval; a = 0.5 and b = 0 is a setting of theirs.

    Args:
        count: How many negatives an anchor keeps, at least 1.
        a: a >= 0, how narrow the choice is; 0 draws uniformly.
        b: How far below the positive the most wanted negatives lie, in cosine.
        schedule: When it acts; None is always.

    Raises:
        ValueError: If an argument is outside its range.
    """

    def __init__(
        self, *, count: int, a: float = 0.5, b: float = 0.0, schedule: PluginSchedule | None = None
    ) -> None:
        super().__init__(schedule=schedule)
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}.")
        if not math.isfinite(a) or a < 0:
            raise ValueError(f"a must be a finite number of at least 0, got {a}: 0 is uniform.")
        if not -2 <= b <= 2:
            raise ValueError(f"b must lie in [-2, 2], got {b}: it is a difference of cosines.")
        self.count, self.a, self.b = count, a, b

    def forward(self, pairs: Pairs) -> Pairs:
        """Narrow the mask; the very same pairs where nothing can fall away.

        Args:
            pairs: Embeddings in at least float32.
        """
        size = len(pairs.bank)
        most, count = shrink(size, pairs.mask, self.count, self.strength)
        if most >= size:
            return pairs
        with torch.no_grad():
            query = pairs.query.detach() / pairs.temperature
            scores = query @ pairs.bank.detach().T
            positive = torch.linalg.vecdot(query[:, None], pairs.positive.detach()).mean(dim=1)
            weights = ambiguous_log_weights(
                scores, positive, sharpness=self.a, below=self.b / pairs.temperature
            )
            generator = self.generator(scores.device)
            uniform = torch.rand(
                scores.shape, generator=generator, dtype=scores.dtype, device=scores.device
            )
            drawn = gumbel_scores(weights, uniform)
            return pairs.with_(mask=hardest_mask(drawn, most, count=count, mask=pairs.mask))

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"count={self.count}, a={self.a}, b={self.b}"
