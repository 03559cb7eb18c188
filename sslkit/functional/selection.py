"""Which negatives count, and how much: deterministic functions of scores, similarities and draws.

Notation: N anchors, K candidates that all anchors share, D embedding size. Masks are True where a
candidate is a negative of the anchor.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def hardest_mask(
    scores: Tensor, keep: int, *, count: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """The negatives of each anchor with the largest scores.

    Args:
        scores: (N, K).
        keep: How many each anchor keeps, 1 to K; all of its negatives where it has fewer.
        count: (N,) how many an anchor keeps instead, at most ``keep``.
        mask: (N, K) bool, the negatives to choose from; None is all.

    Returns:
        (N, K) bool; of equal scores, some that make up the number.

    Raises:
        ValueError: If ``keep`` is outside its range.
    """
    if not 1 <= keep <= scores.shape[1]:
        raise ValueError(f"keep must lie between 1 and K = {scores.shape[1]}, got {keep}.")
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    best = scores.topk(keep, dim=1, sorted=count is not None).indices
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    if count is None:
        chosen.scatter_(1, best, True)
    else:
        chosen.scatter_(1, best, torch.arange(keep, device=best.device) < count[:, None])
    return chosen if mask is None else chosen & mask


def false_negatives(
    similarity: Tensor,
    own: Tensor,
    *,
    margin: float | None = 0.0,
    threshold: float | None = None,
) -> Tensor:
    """Candidates that a guide takes for the anchor's own kind.

    With g(i, j) the guide's similarity and i⁺ the positive of anchor i, those of::

        g(i, j) > g(i, i⁺) - margin      or      g(i, j) > threshold

    Both are strict, so that without a margin the positive itself is never one. The first is
    Solatorio, "GISTEmbed: Guided In-sample Selection of Training Negatives", 2024,
    https://arxiv.org/abs/2402.16829; the second is φ of Zhou et al., "Debiased
    Contrastive Learning of Unsupervised Sentence Representations", 2022,
    https://arxiv.org/abs/2205.00656.

    Args:
        similarity: (N, K) g(i, j).
        own: (N,) g(i, i⁺).
        margin: How far below the positive a candidate is still of its kind; None leaves the first
            rule out.
        threshold: None leaves the second rule out.

    Returns:
        (N, K) bool, True where a candidate is a false negative.
    """
    bound = torch.full_like(own, torch.inf) if margin is None else own - margin
    if threshold is not None:
        bound = bound.clamp_max(threshold)
    return similarity > bound[:, None]


def ambiguous_log_weights(
    scores: Tensor, positive: Tensor, *, sharpness: float, below: float
) -> Tensor:
    """Log of SimANS's weights, largest for negatives a little below the positive.

    For each anchor::

        log w_j = -a (s_j - s⁺ + b)²

    so the maximum lies at s⁺ - b: the sign is that of the authors' code; their README has -b. Zhou
    et al., "SimANS: Simple Ambiguous Negatives Sampling for Dense Text Retrieval", 2022,
    https://arxiv.org/abs/2210.11773.

    Args:
        scores: (N, K) s_j.
        positive: (N,) s⁺.
        sharpness: a >= 0; 0 weighs all alike.
        below: b.

    Returns:
        (N, K), not normalised.
    """
    return -sharpness * (scores - positive[:, None] + below).square()


def gumbel_scores(log_weight: Tensor, uniform: Tensor) -> Tensor:
    """Scores whose k largest are k draws without replacement, in proportion to the weights.

    Log-weights plus standard Gumbel draws: Kool et al., "Stochastic Beams and Where to Find Them",
    2019, https://arxiv.org/abs/1903.06059.

    Args:
        log_weight: (N, K).
        uniform: (N, K) draws from [0, 1).

    Returns:
        (N, K); −inf for a draw of exactly 0.
    """
    return log_weight - uniform.log().neg().log()


def hard_log_weights(
    logits: Tensor, *, beta: float, count: Tensor | float, mask: Tensor | None = None
) -> Tensor:
    """Log of HCL's weights, which raise the harder negatives and average to one.

    For the M negatives of an anchor::

        w_j = M softmax_j(β l_j)

    Nothing is detached. Robinson et al., "Contrastive Learning with Hard Negative Samples", 2021,
    https://arxiv.org/abs/2010.04592; the form with a mean over the batch is that of the
    authors' code.

    Args:
        logits: (N, K) scores over temperature; −inf has weight 0.
        beta: β >= 0; 0 weighs all alike.
        count: M, the number of an anchor's negatives; (N,) where anchors differ.
        mask: (N, K) bool, the negatives to average over; None is all that are not −inf. The
            entries outside of it mean nothing.

    Returns:
        (N, K); 0 everywhere for β = 0.
    """
    if beta == 0:
        return torch.zeros_like(logits)
    # Relative to the largest, so that a large β does not cost the digits of the difference. The
    # weights do not depend on what is subtracted, so nothing is lost by detaching it.
    among = logits if mask is None else logits.masked_fill(~mask, -torch.inf)
    top = among.detach().amax(dim=1, keepdim=True)
    top = top.masked_fill(top == -torch.inf, 0)  # of an anchor without negatives
    log_sum = torch.logsumexp(beta * (among - top), dim=1)
    log_count = math.log(count) if isinstance(count, (int, float)) else count.log()
    shift = log_count - log_sum
    if mask is not None:
        shift = shift.masked_fill(~mask.any(dim=1), 0)
    return beta * (logits - top) + shift[:, None]


def ascend_noise(
    noise: Tensor, loss: Callable[[Tensor], Tensor], *, steps: int, step_size: float
) -> Tensor:
    """Noise vectors moved to where they raise a loss most, as in DCLR.

    ``steps`` times, every vector goes ``step_size`` along its own gradient, divided by its length::

        n ← n + step_size · ∇ℓ(n) / ‖∇ℓ(n)‖

    A vector without a gradient stays. The gradient of the gradient is not followed. Zhou et al.,
    2022, https://arxiv.org/abs/2205.00656.

    Args:
        noise: (M, D); not normalised, lengths count against the steps.
        loss: From vectors (M, D) to a scalar, differentiable.
        steps: At least 0.
        step_size: Length of a step.

    Returns:
        (M, D), detached.
    """
    noise = noise.detach()
    for _ in range(steps):
        with torch.enable_grad():
            at = noise.requires_grad_()
            (gradient,) = torch.autograd.grad(loss(at), at)
        # Scaled first: the squares of a gradient behind a sharp softmax leave float32.
        tiny = torch.finfo(gradient.dtype).tiny
        gradient = gradient / gradient.abs().amax(dim=1, keepdim=True).clamp_min(tiny)
        length = gradient.norm(dim=1, keepdim=True).clamp_min(tiny)
        noise = at.detach() + step_size * gradient / length
    return noise
