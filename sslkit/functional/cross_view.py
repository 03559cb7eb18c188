"""Contrastive losses whose candidates are the other view's embeddings only (MoCo v3, NNCLR).

Notation: N images in the global batch, n of them on this rank, D embedding size, K rows in a
support set, hats are unit rows. Embeddings are raw: the functions normalise them, in at least
float32 and outside autocast.
"""

import torch
from torch import Tensor

from sslkit.functional.checks import check_matrix, check_offset, check_pair, check_temperature
from sslkit.functional.decoupled import check_two_images
from sslkit.functional.normalise import unit_rows


def cross_view_nce(q: Tensor, k: Tensor, *, temperature: float) -> Tensor:
    """Cross-entropy of each query against the keys of all images, mean over the N queries.

    One direction; candidates are keys of the other view, so there are N-1 negatives::

        L = 1/N Σ_i [ -q̂_i·k̂_i/τ + log Σ_j exp(q̂_i·k̂_j/τ) ]

    MoCo v3 is 2τ times this, summed over the two directions. Keys get no gradient. Chen, Xie, He,
    "An Empirical Study of Training Self-Supervised Vision Transformers", 2021, equation 1 and
    algorithm 1, https://arxiv.org/abs/2104.02057.

    Args:
        q: (N, D) raw queries.
        k: (N, D) raw keys, row by row of the same images; detached.
        temperature: τ > 0.

    Returns:
        Scalar in float32 (float64 for float64 inputs); 0 for N = 1, log(N) when all are equal.

    Raises:
        ValueError: If the shapes differ or are not (N, D), or the temperature is not positive.
    """
    check_pair(q, k, ("q", "k"))
    return cross_view_nce_per_anchor(q, k, temperature=temperature, offset=0).mean()


def cross_view_nce_per_anchor(
    q: Tensor, all_k: Tensor, *, temperature: float, offset: int
) -> Tensor:
    """`cross_view_nce` of this rank's queries against the keys of all ranks.

    Args:
        q: (n, D) raw local queries.
        all_k: (N, D) raw keys of all ranks; detached.
        temperature: τ > 0.
        offset: Row of ``all_k`` with the key of the first query: rank·n.

    Returns:
        (n,) loss of each query.

    Raises:
        ValueError: If shapes do not fit together, ``offset`` points outside the keys, or the
            temperature is not positive.
    """
    return _per_anchor(q, all_k.detach(), temperature, offset, ("q", "all_k"), decoupled=False)


def nearest_neighbour_nce(
    nn: Tensor, p: Tensor, *, temperature: float, decoupled: bool = False
) -> Tensor:
    """Cross-entropy of each nearest neighbour against the predictions of all images, mean over N.

    One direction of NNCLR. With nn_i the row of a support set nearest to the *other* view of
    image i::

        L = 1/N Σ_i [ -nn̂_i·p̂_i/τ + log Σ_j exp(nn̂_i·p̂_j/τ) ]

    Gradient flows through the predictions, never through the neighbours. Dwibedi et al., "With a
    Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual Representations",
    2021, equation 3, https://arxiv.org/abs/2104.14548.

    Args:
        nn: (N, D) nearest neighbours; detached.
        p: (N, D) raw predictions, row by row of the same images.
        temperature: τ > 0.
        decoupled: Leave the positive out of the sum, as DCL does (derived from Yeh et al., 2022,
            https://arxiv.org/abs/2110.06848); needs N >= 2.

    Returns:
        Scalar in float32 (float64 for float64 inputs).

    Raises:
        ValueError: If the shapes differ or are not (N, D), the temperature is not positive, or
            ``decoupled`` is asked of one image.
    """
    check_pair(nn, p, ("nn", "p"))
    return nearest_neighbour_nce_per_anchor(
        nn, p, temperature=temperature, offset=0, decoupled=decoupled
    ).mean()


def nearest_neighbour_nce_per_anchor(
    nn: Tensor, all_p: Tensor, *, temperature: float, offset: int, decoupled: bool = False
) -> Tensor:
    """`nearest_neighbour_nce` of this rank's neighbours against the predictions of all ranks.

    Args:
        nn: (n, D) nearest neighbours of the local images; detached.
        all_p: (N, D) raw predictions of all ranks.
        temperature: τ > 0.
        offset: Row of ``all_p`` with the prediction of the first neighbour: rank·n.
        decoupled: Leave the positive out of the sum.

    Returns:
        (n,) loss of each neighbour.

    Raises:
        ValueError: As `nearest_neighbour_nce`; also if ``offset`` points outside the predictions.
    """
    return _per_anchor(nn.detach(), all_p, temperature, offset, ("nn", "all_p"), decoupled)


@torch.no_grad()
def nearest_rows(z: Tensor, bank: Tensor) -> Tensor:
    """Which row of the bank each embedding is nearest to, by cosine.

    Args:
        z: (N, D) raw embeddings.
        bank: (K, D) unit rows, K >= 1.

    Returns:
        (N,) int64 row numbers; the first of equally near ones.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_matrix(z, "z")
    check_matrix(bank, "bank")
    check_offset(z[:1], bank, 0, names=("z", "bank"))
    unit = unit_rows(z)
    with torch.autocast(z.device.type, enabled=False):
        return (unit @ bank.to(unit.dtype).T).argmax(dim=1)


def _per_anchor(
    anchors: Tensor,
    candidates: Tensor,
    temperature: float,
    offset: int,
    names: tuple[str, str],
    decoupled: bool,
) -> Tensor:
    check_temperature(temperature)
    check_matrix(anchors, names[0])
    check_matrix(candidates, names[1])
    check_offset(anchors, candidates, offset, names=names)
    wide = torch.promote_types(anchors.dtype, candidates.dtype)
    unit, everyone = unit_rows(anchors.to(wide)) / temperature, unit_rows(candidates.to(wide))
    rows = unit.shape[0]
    with torch.autocast(unit.device.type, enabled=False):
        logits = unit @ everyone.T  # (n, N)
        if not decoupled:
            own = torch.arange(offset, offset + rows, device=logits.device)
            return torch.nn.functional.cross_entropy(logits, own, reduction="none")
        check_two_images(everyone.shape[0], "a decoupled loss")
        # Behind autograd's back, see `sslkit.functional.in_batch.masked_logits`.
        with torch.no_grad():
            logits.diagonal(offset).fill_(-torch.inf)
        positive = torch.linalg.vecdot(unit, everyone[offset : offset + rows])
        return torch.logsumexp(logits, dim=1) - positive
