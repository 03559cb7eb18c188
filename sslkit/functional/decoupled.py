"""Decoupled contrastive losses (DCL, DCLW): the positive is no candidate of its own softmax.

Notation: N images in the global batch, n of them on this rank (n = N for one process), D embedding
size, s(a, b) the cosine of a and b. Embeddings are raw: the functions normalise them, in at least
float32 and outside autocast.
"""

import math

import torch
from torch import Tensor

from sslkit.functional.checks import check_temperature
from sslkit.functional.in_batch import check_block, masked_logits, unit_block


def dcl(z1: Tensor, z2: Tensor, *, temperature: float) -> Tensor:
    """Decoupled contrastive loss, mean over the 2N anchors.

    With z the 2N rows of both views and i⁺ the other view of row i::

        L = 1/2N Σ_i [ -s(z_i, z_i⁺)/τ + log Σ_{j≠i,i⁺} exp(s(z_i, z_j)/τ) ]

    NT-Xent without the positive in the sum: 2N-2 negatives, and the loss can be negative. Gradient
    flows through anchors and candidates. The paper sums over anchors and directions, and some code
    over directions only (twice this value). Yeh et al., "Decoupled Contrastive Learning", 2022,
    https://arxiv.org/abs/2110.06848.

    Args:
        z1: (N, D) raw embeddings of the first views, N >= 2.
        z2: (N, D) raw embeddings of the second views, row by row the same images.
        temperature: τ > 0.

    Returns:
        Scalar in float32 (float64 for float64 inputs); log(2N-2) when all embeddings are equal.

    Raises:
        ValueError: If the shapes differ or are not (N, D), if N = 1, which leaves no negative, or
            if the temperature is not positive.
    """
    return dcl_per_anchor(z1, z2, z1, z2, temperature=temperature, offset=0).mean()


def dclw(
    z1: Tensor, z2: Tensor, *, temperature: float, sigma: float, weight_gradient: bool = False
) -> Tensor:
    """Weighted decoupled contrastive loss, mean over the 2N anchors.

    `dcl` with each positive weighed by how far apart its two views are::

        L = 1/2N Σ_i [ -w_i s(z_i, z_i⁺)/τ + log Σ_{j≠i,i⁺} exp(s(z_i, z_j)/τ) ]

    with the weights of `positive_weights`, whose mean over the batch is 1. Yeh et al., 2022,
    https://arxiv.org/abs/2110.06848; the paper does not say whether gradient flows through the
    weights, and public code does either.

    Args:
        z1: (N, D) raw embeddings of the first views, N >= 2.
        z2: (N, D) raw embeddings of the second views, row by row the same images.
        temperature: τ > 0.
        sigma: σ > 0, the temperature of the weights; 0.5 in the paper.
        weight_gradient: Let gradient flow through the weights; they are detached otherwise.

    Returns:
        Scalar in float32 (float64 for float64 inputs).

    Raises:
        ValueError: As `dcl`; also if sigma is not positive.
    """
    return dcl_per_anchor(
        z1,
        z2,
        z1,
        z2,
        temperature=temperature,
        offset=0,
        sigma=sigma,
        weight_gradient=weight_gradient,
    ).mean()


def dcl_per_anchor(
    z1: Tensor,
    z2: Tensor,
    all1: Tensor,
    all2: Tensor,
    *,
    temperature: float,
    offset: int,
    sigma: float | None = None,
    weight_gradient: bool = False,
) -> Tensor:
    """DCL or DCLW of this rank's anchors against the candidates of all ranks.

    The mean over all ranks' values is `dcl` (`dclw` with ``sigma``) of the joined batch. The
    weights are normalised over all N images, so the loss does not depend on how these are spread
    over ranks.

    Args:
        z1: (n, D) raw local embeddings of the first views.
        z2: (n, D) raw local embeddings of the second views.
        all1: (N, D) raw embeddings of the first views of all ranks, the local ones among them.
        all2: (N, D) the same of the second views.
        temperature: τ > 0.
        offset: Row of ``all1`` where ``z1`` begins: rank·n.
        sigma: σ > 0 weighs the positives; None leaves every weight at 1.
        weight_gradient: Let gradient flow through the weights.

    Returns:
        (2n,) loss of each anchor, the first views' anchors before the second views'.

    Raises:
        ValueError: If shapes do not fit together, ``offset`` points outside the candidates, N = 1,
            or a temperature is not positive.
    """
    check_temperature(temperature)
    check_block(z1, z2, all1, all2, offset)
    check_two_images(all1.shape[0], "dcl()")
    anchors, everyone = unit_block(z1, z2, all1, all2)
    with torch.autocast(z1.device.type, enabled=False):
        positive = torch.linalg.vecdot(*anchors.chunk(2))
        if sigma is not None:
            cosines = torch.linalg.vecdot(*everyone.chunk(2))
            cosines = cosines if weight_gradient else cosines.detach()
            weights = positive_weights(cosines, sigma=sigma)
            positive = weights[offset : offset + z1.shape[0]] * positive
        logits = masked_logits(
            anchors, everyone, temperature=temperature, offset=offset, mask_positive=True
        )
        return torch.logsumexp(logits, dim=1) - positive.repeat(2) / temperature


def positive_weights(cosines: Tensor, *, sigma: float) -> Tensor:
    """DCLW's weights of the positives: more for those whose two views are further apart.

    w_i = 2 - N·softmax_i(s_i/σ): between 2-N and 2, mean exactly 1, and all 1 when every pair is
    equally similar. (The paper writes the factor N as the batch mean that the softmax is divided
    by.) Yeh et al., 2022, https://arxiv.org/abs/2110.06848.

    Args:
        cosines: (N,) cosine of each positive pair of the global batch.
        sigma: σ > 0; the larger, the closer to 1 the weights.

    Returns:
        (N,) weights.

    Raises:
        ValueError: If sigma is not a finite number above 0.
    """
    check_sigma(sigma)
    return 2 - cosines.shape[0] * torch.softmax(cosines / sigma, dim=0)


def check_sigma(sigma: float) -> None:
    """Refuse a temperature that weights cannot be made with.

    Raises:
        ValueError: If ``sigma`` is not finite or not above zero.
    """
    if not math.isfinite(sigma) or sigma <= 0:
        raise ValueError(
            f"sigma must be a finite number above 0, got {sigma}: it is the temperature of the "
            "weights. The paper uses 0.5; leave the weights out for plain DCL."
        )


def check_two_images(images: int, where: str) -> None:
    """Refuse a global batch in which a decoupled loss has no negative.

    Raises:
        ValueError: If there are fewer than two images.
    """
    if images < 2:
        raise ValueError(
            f"{where} needs at least 2 images, got {images}: the positive is no candidate, so with "
            "one image there is nothing to sum over. Use a larger batch."
        )
