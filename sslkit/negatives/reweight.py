"""Hard-negative weights on the negatives of any contrastive loss."""

import math

import torch
from torch import Tensor

from sslkit.functional.selection import hard_log_weights
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Setting


class ReweightNegatives(Plugin):
    """HCL's weights: the harder of an anchor's M negatives count more, all together M.

    With s_j the dot product of the anchor and a negative::

        w_j = M softmax_j(β s_j/τ)

    over the bank and an anchor's own negatives alike, those that are there at this plug-in's place
    in the list. Gradient flows through the weights. With InfoNCE this is
    `sslkit.functional.debiased_nce` for τ⁺ = 0; other weights, such as a half-masked negative's,
    multiply with these. While a schedule ramps, β goes up in proportion to the strength.

    Robinson et al., "Contrastive Learning with Hard Negative Samples", 2021,
    https://arxiv.org/abs/2010.04592.

    Args:
        beta: β >= 0, on the scores over temperature (0.5 to 2 in the paper); 0 weighs all alike.
        schedule: When it acts; None is always.

    Raises:
        ValueError: If beta is negative or not finite.
    """

    def __init__(self, *, beta: float = 1.0, schedule: PluginSchedule | None = None) -> None:
        super().__init__(schedule=schedule)
        if not math.isfinite(beta) or beta < 0:
            raise ValueError(
                f"beta must be a finite number of at least 0, got {beta}: 0 weighs all negatives "
                "alike, and the paper uses 0.5 to 2."
            )
        self.beta = beta

    def check(self, setting: Setting) -> None:
        """Refuse a loss that reweights by itself.

        Raises:
            ValueError: If so.
        """
        if setting.beta > 0:
            raise ValueError(
                f"ReweightNegatives(beta={self.beta}) and the loss's own beta={setting.beta} would "
                "weigh the negatives twice: set the loss's beta to 0, or leave the plug-in out."
            )

    def forward(self, pairs: Pairs) -> Pairs:
        """Add the logarithms of the weights; the very same pairs for β = 0.

        Args:
            pairs: Embeddings in at least float32.
        """
        beta = self.beta * self.strength
        if beta == 0:
            return pairs
        bank, own = _scores(pairs)
        scores = torch.cat([bank, own], dim=1) / pairs.temperature
        mask, count = None, float(scores.shape[1])
        if pairs.mask is not None:
            mask = torch.nn.functional.pad(pairs.mask, (0, own.shape[1]), value=True)
            count = mask.sum(dim=1).to(scores.dtype)
        weights = hard_log_weights(scores, beta=beta, count=count, mask=mask)
        of_bank, of_own = weights.split([bank.shape[1], own.shape[1]], dim=1)
        changes = {"log_weight": _plus(of_bank, pairs.log_weight)}
        if own.shape[1] > 0:
            changes["extra_log_weight"] = _plus(of_own, pairs.extra_log_weight)
        return pairs.with_(**changes)

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"beta={self.beta}"


def _scores(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Dot products of anchors with the bank (N, K), and with their own negatives (N, S+S')."""
    bank = pairs.query @ pairs.bank.T
    own = [bank[:, :0]]
    if pairs.extra is not None:
        own.append(torch.linalg.vecdot(pairs.query[:, None], pairs.extra))
    if pairs.extra_cosine is not None:
        own.append(pairs.extra_cosine)
    return bank, torch.cat(own, dim=1)


def _plus(weights: Tensor, there: Tensor | None) -> Tensor:
    return weights if there is None else there + weights
