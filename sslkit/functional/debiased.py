"""Contrastive losses that correct for negatives of the anchor's own class (debiased, HCL).

Notation: N images in the global batch, n of them on this rank, M = 2N-2 negatives of an anchor, D
embedding size, s(a, b) the cosine of a and b. Embeddings are raw: the functions normalise them, in
at least float32 and outside autocast.
"""

import math

import torch
from torch import Tensor

from sslkit.functional.checks import check_temperature
from sslkit.functional.in_batch import check_block, masked_logits, unit_block
from sslkit.functional.selection import hard_log_weights


def debiased_nce(
    z1: Tensor, z2: Tensor, *, temperature: float, tau_plus: float, beta: float = 0.0
) -> Tensor:
    """Debiased contrastive loss, with hard-negative weights for beta above 0 (HCL).

    For each of the 2N anchors, with P = exp(s⁺/τ) of its positive and e_j = exp(s_j/τ) of its M
    negatives::

        L  = mean -log P/(P + Ng),   Ng = max( (Σ_j w_j e_j - τ⁺ M P)/(1 - τ⁺),  M exp(-1/τ) )
        w_j = e_j^β / mean_j(e_j^β)

    τ⁺ is the chance that a negative is of the anchor's class. Nothing is detached: gradient flows
    through the weights too. An anchor at the bound of Ng gets no gradient from its negatives;
    `debiased_nce_per_anchor` says which those are. For τ⁺ = 0 and β = 0 this is NT-Xent. Chuang et
    al., "Debiased Contrastive Learning", 2020, equations 7 and 8, https://arxiv.org/abs/2007.00224;
    Robinson et al., "Contrastive Learning with Hard Negative Samples", 2021,
    https://arxiv.org/abs/2010.04592.

    Args:
        z1: (N, D) raw embeddings of the first views.
        z2: (N, D) raw embeddings of the second views, row by row the same images.
        temperature: τ > 0. Below 0.3 or so, most anchors soon lie at the bound.
        tau_plus: τ⁺ in [0, 1).
        beta: β >= 0, on the scores over temperature; 0 weighs all negatives alike.

    Returns:
        Scalar in float32 (float64 for float64 inputs); 0 for N = 1.

    Raises:
        ValueError: If the shapes differ or are not (N, D), or an argument is outside its range.
    """
    losses, _ = debiased_nce_per_anchor(
        z1, z2, z1, z2, temperature=temperature, offset=0, tau_plus=tau_plus, beta=beta
    )
    return losses.mean()


def debiased_nce_per_anchor(
    z1: Tensor,
    z2: Tensor,
    all1: Tensor,
    all2: Tensor,
    *,
    temperature: float,
    offset: int,
    tau_plus: float,
    beta: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """`debiased_nce` of this rank's anchors against the candidates of all ranks.

    Args:
        z1: (n, D) raw local embeddings of the first views.
        z2: (n, D) raw local embeddings of the second views.
        all1: (N, D) raw embeddings of the first views of all ranks, the local ones among them.
        all2: (N, D) the same of the second views.
        temperature: τ > 0.
        offset: Row of ``all1`` where ``z1`` begins: rank·n.
        tau_plus: τ⁺ in [0, 1).
        beta: β >= 0.

    Returns:
        (2n,) loss of each anchor, the first views' anchors before the second views'; and (2n,)
        bool, the anchors whose Ng lies at its bound.

    Raises:
        ValueError: If shapes do not fit together, ``offset`` points outside the candidates, or an
            argument is outside its range.
    """
    check_temperature(temperature)
    check_debiasing(tau_plus, beta)
    check_block(z1, z2, all1, all2, offset)
    anchors, everyone = unit_block(z1, z2, all1, all2)
    negatives = everyone.shape[0] - 2
    with torch.autocast(z1.device.type, enabled=False):
        positive = torch.linalg.vecdot(*anchors.chunk(2)).repeat(2) / temperature
        if negatives == 0:
            return 0 * positive, torch.zeros_like(positive, dtype=torch.bool)
        logits = masked_logits(
            anchors, everyone, temperature=temperature, offset=offset, mask_positive=True
        )
        if beta > 0:
            logits = logits + hard_log_weights(logits, beta=beta, count=negatives)
        log_sum = torch.logsumexp(logits, dim=1)
        return correct_for_positives(
            positive,
            log_sum,
            math.log(negatives),
            temperature=temperature,
            tau_plus=tau_plus,
        )


def correct_for_positives(
    positive: Tensor,
    log_sum: Tensor,
    log_count: Tensor | float,
    *,
    temperature: float,
    tau_plus: float,
) -> tuple[Tensor, Tensor]:
    """The debiased loss of anchors whose negatives are summed up already.

    In logarithms throughout: exp(s/τ) leaves float32 below a temperature of 0.012.

    Args:
        positive: (n,) logits of the positives, s⁺/τ.
        log_sum: (n,) log Σ_j w_j e_j over the negatives.
        log_count: log M, a number or (n,).
        temperature: τ > 0.
        tau_plus: τ⁺ in [0, 1).

    Returns:
        (n,) losses, and (n,) bool, the anchors whose Ng lies at its bound.
    """
    if tau_plus == 0:
        log_ng, at_bound = log_sum, torch.zeros_like(log_sum, dtype=torch.bool)
    else:
        log_ng, at_bound = _subtract_positives(
            log_sum,
            positive + math.log(tau_plus) + log_count,
            math.log(1 - tau_plus),
            log_count - 1 / temperature,
        )
    return torch.logaddexp(log_ng - positive, torch.zeros_like(positive)), at_bound


def check_debiasing(tau_plus: float, beta: float) -> None:
    """Refuse what the debiased loss is not defined for.

    Raises:
        ValueError: If tau_plus is outside [0, 1) or beta is negative or not finite.
    """
    if not 0 <= tau_plus < 1:
        raise ValueError(
            f"tau_plus must lie in [0, 1), got {tau_plus}: it is the chance that a negative is of "
            "the anchor's own class. The papers use 0.1; 1 over the number of classes is a guess."
        )
    if not math.isfinite(beta) or beta < 0:
        raise ValueError(
            f"beta must be a finite number of at least 0, got {beta}: 0 weighs all negatives "
            "alike, and the paper uses 0.5 to 2."
        )


def _subtract_positives(
    log_sum: Tensor, log_expected: Tensor, log_share: float, bound: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Log of max((Σ - expected)/share, exp(bound)), and where the maximum is the bound."""
    log_ratio = log_expected - log_sum
    nothing_left = log_ratio >= 0
    # Rows that are replaced below must not send an infinite gradient times zero.
    left = torch.log1p(-torch.exp(log_ratio.masked_fill(nothing_left, -torch.inf)))
    log_ng = log_sum + left - log_share
    at_bound = nothing_left | (log_ng.detach() < bound)
    return torch.where(at_bound, bound, log_ng), at_bound
