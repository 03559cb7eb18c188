"""Contrastive losses as pure functions of raw embeddings.

Notation: N images in the global batch, n of them on this rank (n = N for one process), D embedding
size, s(a, b) the cosine of a and b. Embeddings are raw: the functions normalise them, in at least
float32 and outside autocast.
"""

import torch
from torch import Tensor

from sslkit.functional.checks import check_temperature
from sslkit.functional.in_batch import check_block, masked_logits, unit_block
from sslkit.functional.normalise import unit_rows


def nt_xent(z1: Tensor, z2: Tensor, *, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy of SimCLR, mean over the 2N anchors.

    With z the 2N rows of both views and i⁺ the other view of row i::

        L = 1/2N Σ_i [ -s(z_i, z_i⁺)/τ + log Σ_{j≠i} exp(s(z_i, z_j)/τ) ]

    The positive is one of the candidates in the sum, the anchor itself is not: 2N-2 negatives.
    Gradient flows through anchors and candidates. The authors' code returns the sum over the two
    directions, twice this value. Chen et al., "A Simple Framework for Contrastive Learning of
    Visual Representations", 2020, equation 1, https://arxiv.org/abs/2002.05709.

    Args:
        z1: (N, D) raw embeddings of the first views.
        z2: (N, D) raw embeddings of the second views, row by row the same images.
        temperature: τ > 0.

    Returns:
        Scalar in float32 (float64 for float64 inputs); 0 for N = 1, log(2N-1) when all embeddings
        are equal.

    Raises:
        ValueError: If the shapes differ or are not (N, D), or the temperature is not positive.
    """
    return nt_xent_per_anchor(z1, z2, z1, z2, temperature=temperature, offset=0).mean()


def nt_xent_per_anchor(
    z1: Tensor, z2: Tensor, all1: Tensor, all2: Tensor, *, temperature: float, offset: int
) -> Tensor:
    """NT-Xent of this rank's anchors against the candidates of all ranks.

    The mean over all ranks' values is `nt_xent` of the joined batch; with ``all1 = z1``,
    ``all2 = z2`` and ``offset = 0`` it is `nt_xent` before its mean. A rank computes its own
    2n × 2N block of cosines only.

    Args:
        z1: (n, D) raw local embeddings of the first views.
        z2: (n, D) raw local embeddings of the second views.
        all1: (N, D) raw embeddings of the first views of all ranks, the local ones among them.
        all2: (N, D) the same of the second views.
        temperature: τ > 0.
        offset: Row of ``all1`` where ``z1`` begins: rank·n.

    Returns:
        (2n,) loss of each anchor, the first views' anchors before the second views'.

    Raises:
        ValueError: If shapes do not fit together, ``offset`` points outside the candidates, or the
            temperature is not positive.
    """
    check_temperature(temperature)
    check_block(z1, z2, all1, all2, offset)
    anchors, candidates = unit_block(z1, z2, all1, all2)
    n, total = z1.shape[0], all1.shape[0]
    with torch.autocast(z1.device.type, enabled=False):
        logits = masked_logits(
            anchors, candidates, temperature=temperature, offset=offset, mask_positive=False
        )
        other_view = torch.arange(offset, offset + n, device=logits.device)
        target = torch.cat([other_view + total, other_view])
        return torch.nn.functional.cross_entropy(logits, target, reduction="none")


def mean_cosines(
    z1: Tensor, z2: Tensor, all1: Tensor, all2: Tensor, *, offset: int
) -> tuple[Tensor, Tensor]:
    """How alike the two views of an image are, and how alike different images are.

    The negatives are those of NT-Xent: every candidate but the anchor and its other view. Their sum
    is a product of two sums of vectors, so no n × N matrix is made.

    Args:
        z1: (n, D) raw local embeddings of the first views.
        z2: (n, D) raw local embeddings of the second views.
        all1: (N, D) raw embeddings of the first views of all ranks, the local ones among them.
        all2: (N, D) the same of the second views.
        offset: Row of ``all1`` where ``z1`` begins: rank·n.

    Returns:
        Mean cosine of the positive pairs and mean cosine of the negative pairs, two scalars in
        [-1, 1]; the second is 0 for N = 1, where there is no negative.

    Raises:
        ValueError: If shapes do not fit together or ``offset`` points outside the candidates.
    """
    check_block(z1, z2, all1, all2, offset)
    first, second = unit_rows(z1), unit_rows(z2)
    rows, images = first.shape[0], all1.shape[0]
    with torch.autocast(z1.device.type, enabled=False):
        positives = torch.linalg.vecdot(first, second).sum()
        if images == 1:
            return positives / rows, torch.zeros_like(positives)
        everything = (first.sum(0) + second.sum(0)).dot(
            unit_rows(all1).sum(0) + unit_rows(all2).sum(0)
        )
        # Not 2n: a zero row stays zero when normalised, and its cosine with itself is 0.
        selves = first.square().sum() + second.square().sum()
        negatives = everything - selves - 2 * positives
        return positives / rows, negatives / (2 * rows * (2 * images - 2))
