"""The block of logits that the in-batch losses share: local anchors against all views of all ranks.

Notation: N images in the global batch, n of them on this rank, D embedding size. The 2n anchors are
the first views of the local images, then their second views; the 2N candidates are the first views
of all images, then their second views.
"""

import torch
from torch import Tensor

from sslkit.functional.checks import check_offset, check_pair
from sslkit.functional.normalise import unit_rows


def check_block(z1: Tensor, z2: Tensor, all1: Tensor, all2: Tensor, offset: int) -> None:
    """Refuse local embeddings that cannot be rows of the gathered ones.

    Args:
        z1: Meant to be (n, D), the local first views.
        z2: Meant to be (n, D), the local second views.
        all1: Meant to be (N, D), the first views of all ranks.
        all2: Meant to be (N, D), the second views of all ranks.
        offset: Row of ``all1`` where ``z1`` begins.

    Raises:
        ValueError: If shapes do not fit together or ``offset`` points outside the candidates.
    """
    check_pair(z1, z2, ("z1", "z2"))
    check_pair(all1, all2, ("all1", "all2"))
    check_offset(z1, all1, offset, names=("z1", "all1"))


def unit_block(z1: Tensor, z2: Tensor, all1: Tensor, all2: Tensor) -> tuple[Tensor, Tensor]:
    """Anchors and candidates as unit rows, normalised once where they are the same tensors.

    Args:
        z1: (n, D) raw local first views.
        z2: (n, D) raw local second views.
        all1: (N, D) raw first views of all ranks.
        all2: (N, D) raw second views of all ranks.

    Returns:
        (2n, D) anchors and (2N, D) candidates.
    """
    anchors = unit_rows(torch.cat([z1, z2]))
    if all1 is z1 and all2 is z2:
        return anchors, anchors
    return anchors, unit_rows(torch.cat([all1, all2]))


def masked_logits(
    anchors: Tensor,
    candidates: Tensor,
    *,
    temperature: float,
    offset: int,
    mask_positive: bool,
) -> Tensor:
    """Cosines over temperature, −inf where a candidate is the anchor itself.

    Autograd does not know of the mask. That is right for anything that weighs an entry by a softmax
    of the row, where −inf has weight and gradient zero, and it spares a copy of the whole matrix on
    the way back.

    Args:
        anchors: (2n, D) unit rows.
        candidates: (2N, D) unit rows.
        temperature: τ > 0.
        offset: Image that the first anchor shows: rank·n.
        mask_positive: Put −inf on the other view of the anchor's image too.

    Returns:
        (2n, 2N) logits.
    """
    n, total = anchors.shape[0] // 2, candidates.shape[0] // 2
    logits = (anchors / temperature) @ candidates.T
    with torch.no_grad():
        for first_row, own, other in ((0, offset, total + offset), (n, total + offset, offset)):
            rows = logits[first_row : first_row + n]
            rows.diagonal(own).fill_(-torch.inf)
            if mask_positive:
                rows.diagonal(other).fill_(-torch.inf)
    return logits
