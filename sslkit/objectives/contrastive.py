"""Contrastive objectives over the batch: embeddings of all ranks in, loss of the local anchors out.

Notation: B images on this rank, N = W·B on all W ranks, D embedding size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sslkit.functional import dcl_per_anchor, nt_xent_per_anchor, positive_weights, unit_rows
from sslkit.functional.checks import check_temperature
from sslkit.functional.decoupled import check_sigma
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, Setting
from sslkit.objectives.gathered import Block, gather_block
from sslkit.objectives.in_batch import in_batch_pairs, in_batch_result
from sslkit.objectives.pair_losses import Decoupled, InfoNCE
from sslkit.objectives.pair_objective import PairObjective
from sslkit.objectives.routes import Routes


class NTXent(PairObjective):
    """SimCLR's objective: each view finds the other view of its image among all views.

    The loss is `sslkit.functional.nt_xent`. Both views are gathered from all ranks with gradient;
    a rank computes its own anchors, so the mean over ranks is the loss of the global batch.
    Chen et al., 2020, equation 1, https://arxiv.org/abs/2002.05709.

    Args:
        temperature: τ > 0; the paper's ImageNet value is 0.1, its CIFAR-10 value 0.5.
        plugins: What treats positives and negatives, in this order; None is nothing.

    Raises:
        ValueError: If the temperature is not a finite number above 0, or a plug-in cannot work
            here.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(
        self, *, temperature: float = 0.1, plugins: Sequence[Plugin] | None = None
    ) -> None:
        check_temperature(temperature)
        super().__init__(plugins, Setting(source="batch", loss="InfoNCE"))
        self.temperature = temperature
        self.pair_loss = InfoNCE()

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; NT-Xent has no target branch.
            batch: For plug-ins only; NT-Xent uses no labels or indices.

        Returns:
            ``loss``: scalar, mean over the local anchors.
            ``per_anchor``: detached (2B,), the first views' anchors before the second views'.
            ``positive_similarity``: detached mean cosine of the two views of an image.
            ``negative_similarity``: detached mean cosine of the anchors' negatives.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings.
        """
        del target
        block = gather_block(online, "NTXent")
        treated = self.treated(lambda: in_batch_pairs(self, self.pair_loss, block, batch))
        if treated is not None:
            return in_batch_result(self.pair_loss(treated), block)
        per_anchor = nt_xent_per_anchor(
            *block[:4], temperature=self.temperature, offset=block.offset
        )
        return in_batch_result(per_anchor, block)

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}"


class DCL(PairObjective):
    """Decoupled contrastive learning: NT-Xent without the positive in its denominator; or DCLW.

    The loss is `sslkit.functional.dcl`, with ``sigma`` `sslkit.functional.dclw`. Both views are
    gathered from all ranks with gradient; DCLW's weights are normalised over the global batch, so
    neither depends on the number of ranks. Yeh et al., 2022, https://arxiv.org/abs/2110.06848.

    Args:
        temperature: τ > 0; 0.1 for ImageNet and 0.07 for CIFAR in the paper.
        sigma: σ > 0 weighs the positives (DCLW; the paper uses 0.5); None is DCL.
        weight_gradient: Let gradient flow through DCLW's weights. The paper does not say, and
            public code does either.
        plugins: What treats positives and negatives, in this order; None is nothing.

    Raises:
        ValueError: If a temperature is not a finite number above 0, a weight's gradient is asked
            for without weights, or a plug-in cannot work here.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        sigma: float | None = None,
        weight_gradient: bool = False,
        plugins: Sequence[Plugin] | None = None,
    ) -> None:
        check_temperature(temperature)
        if sigma is not None:
            check_sigma(sigma)
        elif weight_gradient:
            raise ValueError(
                "weight_gradient=True needs weights: set sigma (the paper uses 0.5), or leave "
                "weight_gradient out for plain DCL."
            )
        super().__init__(plugins, Setting(source="batch", loss="DCL"))
        self.temperature = temperature
        self.sigma = sigma
        self.weight_gradient = weight_gradient
        self.pair_loss = Decoupled()

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; DCL has no target branch.
            batch: For plug-ins only; DCL uses no labels or indices.

        Returns:
            As `NTXent.forward`.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings, or there is one image only.
        """
        del target
        block = gather_block(online, "DCL")
        treated = self.treated(lambda: self._weighted_pairs(block, batch))
        if treated is not None:
            return in_batch_result(self.pair_loss(treated), block)
        per_anchor = dcl_per_anchor(
            *block[:4],
            temperature=self.temperature,
            offset=block.offset,
            sigma=self.sigma,
            weight_gradient=self.weight_gradient,
        )
        return in_batch_result(per_anchor, block)

    def _weighted_pairs(self, block: Block, batch: Any) -> Pairs:
        pairs = in_batch_pairs(self, self.pair_loss, block, batch)
        if self.sigma is None:
            return pairs
        with torch.set_grad_enabled(self.weight_gradient and torch.is_grad_enabled()):
            cosines = torch.linalg.vecdot(unit_rows(block.all1), unit_rows(block.all2))
            weights = positive_weights(cosines, sigma=self.sigma)
        own = weights[block.offset : block.offset + block.z1.shape[0]]
        return pairs.with_(positive_weight=own.repeat(2).unsqueeze(1))

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        weights = "" if self.sigma is None else f", sigma={self.sigma}"
        gradient = ", weight_gradient=True" if self.weight_gradient else ""
        return f"temperature={self.temperature}{weights}{gradient}"
