"""The debiased contrastive objective over the batch, and HCL.

Notation: B images on this rank, N = W·B on all W ranks, D embedding size.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from sslkit.functional import debiased_nce_per_anchor
from sslkit.functional.checks import check_temperature
from sslkit.functional.debiased import check_debiasing
from sslkit.negatives.plugin import Plugin, Setting
from sslkit.objectives.gathered import gather_block
from sslkit.objectives.in_batch import in_batch_pairs, in_batch_result
from sslkit.objectives.pair_losses import Debiased
from sslkit.objectives.pair_objective import PairObjective
from sslkit.objectives.routes import Routes


class DebiasedNCE(PairObjective):
    """Debiased contrastive loss, corrected for negatives of the anchor's own class; HCL for beta.

    The loss is `sslkit.functional.debiased_nce`. Both views are gathered from all ranks with
    gradient, and the number of negatives is that of the global batch. Chuang et al., 2020,
    https://arxiv.org/abs/2007.00224; Robinson et al., 2021, https://arxiv.org/abs/2010.04592.

    Args:
        temperature: τ > 0; 0.5 in both papers. With smaller ones watch ``clamped_fraction``.
        tau_plus: τ⁺ in [0, 1), the chance that a negative is of the anchor's class.
        beta: β >= 0, how much harder negatives weigh more (HCL: 0.5 to 2); 0 is the debiased loss.
        plugins: What treats positives and negatives, in this order; None is nothing.

    Raises:
        ValueError: If an argument is outside its range, or a plug-in cannot work here.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        tau_plus: float = 0.1,
        beta: float = 0.0,
        plugins: Sequence[Plugin] | None = None,
    ) -> None:
        check_temperature(temperature)
        check_debiasing(tau_plus, beta)
        super().__init__(plugins, Setting(source="batch", loss="debiased", beta=beta))
        self.temperature = temperature
        self.tau_plus = tau_plus
        self.beta = beta
        self.pair_loss = Debiased(tau_plus, beta)

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; the loss has no target branch.
            batch: For plug-ins only; the loss uses no labels or indices.

        Returns:
            As `NTXent.forward`, and ``clamped_fraction``: the share of anchors whose corrected sum
            of negatives lies at its bound, and which get no gradient from their negatives.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings.
        """
        del target
        block = gather_block(online, "DebiasedNCE")
        treated = self.treated(lambda: in_batch_pairs(self, self.pair_loss, block, batch))
        if treated is not None:
            per_anchor, clamped = self.pair_loss.with_bound(treated)
        else:
            per_anchor, clamped = debiased_nce_per_anchor(
                *block[:4],
                temperature=self.temperature,
                offset=block.offset,
                tau_plus=self.tau_plus,
                beta=self.beta,
            )
        return {
            **in_batch_result(per_anchor, block),
            "clamped_fraction": clamped.to(per_anchor.dtype).mean(),
        }

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}, tau_plus={self.tau_plus}, beta={self.beta}"
