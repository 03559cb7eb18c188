"""Contrastive objectives over the batch: embeddings of all ranks in, loss of the local anchors out.

Notation: B images on this rank, N = W·B on all W ranks, D embedding size.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.functional import (
    dcl_per_anchor,
    debiased_nce_per_anchor,
    mean_cosines,
    nt_xent_per_anchor,
)
from sslkit.functional.checks import check_temperature
from sslkit.functional.debiased import check_debiasing
from sslkit.functional.decoupled import check_sigma
from sslkit.objectives.gathered import Block, gather_block
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes


class NTXent(Objective):
    """SimCLR's objective: each view finds the other view of its image among all views.

    The loss is `sslkit.functional.nt_xent`. Both views are gathered from all ranks with gradient;
    a rank computes its own anchors, so the mean over ranks is the loss of the global batch.
    Chen et al., 2020, equation 1, https://arxiv.org/abs/2002.05709.

    Args:
        temperature: τ > 0; the paper's ImageNet value is 0.1, its CIFAR-10 value 0.5.

    Raises:
        ValueError: If the temperature is not a finite number above 0.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; NT-Xent has no target branch.
            batch: Not read; NT-Xent uses no labels or indices.

        Returns:
            ``loss``: scalar, mean over the local anchors.
            ``per_anchor``: detached (2B,), the first views' anchors before the second views'.
            ``positive_similarity``: detached mean cosine of the two views of an image.
            ``negative_similarity``: detached mean cosine of the anchors' negatives.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings.
        """
        del target, batch
        block = gather_block(online, "NTXent")
        per_anchor = nt_xent_per_anchor(
            *block[:4], temperature=self.temperature, offset=block.offset
        )
        return _result(per_anchor, block)

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}"


class DCL(Objective):
    """Decoupled contrastive learning: NT-Xent without the positive in its denominator; or DCLW.

    The loss is `sslkit.functional.dcl`, with ``sigma`` `sslkit.functional.dclw`. Both views are
    gathered from all ranks with gradient; DCLW's weights are normalised over the global batch, so
    neither depends on the number of ranks. Yeh et al., 2022, https://arxiv.org/abs/2110.06848.

    Args:
        temperature: τ > 0; 0.1 for ImageNet and 0.07 for CIFAR in the paper.
        sigma: σ > 0 weighs the positives (DCLW; the paper uses 0.5); None is DCL.
        weight_gradient: Let gradient flow through DCLW's weights. The paper does not say, and
            public code does either.

    Raises:
        ValueError: If a temperature is not a finite number above 0, or a weight's gradient is asked
            for without weights.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        sigma: float | None = None,
        weight_gradient: bool = False,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        if sigma is not None:
            check_sigma(sigma)
        elif weight_gradient:
            raise ValueError(
                "weight_gradient=True needs weights: set sigma (the paper uses 0.5), or leave "
                "weight_gradient out for plain DCL."
            )
        self.temperature = temperature
        self.sigma = sigma
        self.weight_gradient = weight_gradient

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; DCL has no target branch.
            batch: Not read; DCL uses no labels or indices.

        Returns:
            As `NTXent.forward`.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings, or there is one image only.
        """
        del target, batch
        block = gather_block(online, "DCL")
        per_anchor = dcl_per_anchor(
            *block[:4],
            temperature=self.temperature,
            offset=block.offset,
            sigma=self.sigma,
            weight_gradient=self.weight_gradient,
        )
        return _result(per_anchor, block)

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        weights = "" if self.sigma is None else f", sigma={self.sigma}"
        gradient = ", weight_gradient=True" if self.weight_gradient else ""
        return f"temperature={self.temperature}{weights}{gradient}"


class DebiasedNCE(Objective):
    """Debiased contrastive loss, corrected for negatives of the anchor's own class; HCL for beta.

    The loss is `sslkit.functional.debiased_nce`. Both views are gathered from all ranks with
    gradient, and the number of negatives is that of the global batch. Chuang et al., 2020,
    https://arxiv.org/abs/2007.00224; Robinson et al., 2021, https://arxiv.org/abs/2010.04592.

    Args:
        temperature: τ > 0; 0.5 in both papers. With smaller ones watch ``clamped_fraction``.
        tau_plus: τ⁺ in [0, 1), the chance that a negative is of the anchor's class.
        beta: β >= 0, how much harder negatives weigh more (HCL: 0.5 to 2); 0 is the debiased loss.

    Raises:
        ValueError: If an argument is outside its range.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(
        self, *, temperature: float = 0.5, tau_plus: float = 0.1, beta: float = 0.0
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_debiasing(tau_plus, beta)
        self.temperature = temperature
        self.tau_plus = tau_plus
        self.beta = beta

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; the loss has no target branch.
            batch: Not read; the loss uses no labels or indices.

        Returns:
            As `NTXent.forward`, and ``clamped_fraction``: the share of anchors whose corrected sum
            of negatives lies at its bound, and which get no gradient from their negatives.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings.
        """
        del target, batch
        block = gather_block(online, "DebiasedNCE")
        per_anchor, clamped = debiased_nce_per_anchor(
            *block[:4],
            temperature=self.temperature,
            offset=block.offset,
            tau_plus=self.tau_plus,
            beta=self.beta,
        )
        return {
            **_result(per_anchor, block),
            "clamped_fraction": clamped.to(per_anchor.dtype).mean(),
        }

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}, tau_plus={self.tau_plus}, beta={self.beta}"


def _result(per_anchor: Tensor, block: Block) -> dict[str, Tensor]:
    with torch.no_grad():
        positive, negative = mean_cosines(*block[:4], offset=block.offset)
    return {
        "loss": per_anchor.mean(),
        "per_anchor": per_anchor.detach(),
        "positive_similarity": positive,
        "negative_similarity": negative,
    }
