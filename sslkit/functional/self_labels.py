"""Self-labelled losses: pairs that the network itself calls alike or unlike (CCSL, CSSL).

Reconstructions, unverified: of Garg and Jain, "Self-Labeling Refinement for Robust Representation
Learning with Bootstrap Your Own Latent", 2022, https://arxiv.org/abs/2204.04545, only the abstract
and the settings of its public code could be read; the loss classes were never committed there.

Notation: N images in the global batch, n of them on this rank, D embedding size, S_ij the cosine of
prediction i and target projection j. One direction; targets and labels get no gradient.
"""

import math

import torch
from torch import Tensor

from sslkit.functional.checks import check_matrix, check_offset, check_temperature
from sslkit.functional.normalise import unit_rows


def self_labelled_mse(
    p: Tensor,
    all_z: Tensor,
    *,
    theta_positive: float = 0.8,
    theta_negative: float = 0.2,
    negative_weight: float = 0.0,
    offset: int = 0,
) -> Tensor:
    """CCSL [reconstruction]: BYOL's loss to every target that is alike, per prediction.

    With P_i = {i} and all j with S_ij >= θ⁺, and M_i all j ≠ i with S_ij <= θ⁻::

        ℓ_i = mean_{j in P_i} (2 - 2 S_ij) + w mean_{j in M_i} max(S_ij, 0)

    For θ⁺ above 1 and w = 0 this is BYOL's loss.

    Args:
        p: (n, D) raw local predictions.
        all_z: (N, D) raw target projections of all ranks; detached.
        theta_positive: θ⁺, above θ⁻; above 1 only the own image is alike.
        theta_negative: θ⁻.
        negative_weight: w >= 0; the abstract speaks of alike pairs only, which is 0.
        offset: Row of ``all_z`` with the target of the first prediction: rank·n.

    Returns:
        (n,) loss of each prediction.

    Raises:
        ValueError: If shapes do not fit together, or an argument is outside its range.
    """
    check_similarity_labels(theta_positive, theta_negative, negative_weight)
    cosines, own = _cosines(p, all_z, offset)
    alike = own | (cosines.detach() >= theta_positive)
    unlike = ~own & (cosines.detach() <= theta_negative)
    loss = _mean_where(alike, 2 - 2 * cosines)
    if negative_weight > 0:
        loss = loss + negative_weight * _mean_where(unlike, cosines.relu())
    return loss


def self_labelled_bce(
    p: Tensor,
    all_z: Tensor,
    *,
    temperature: float = 0.1,
    theta_positive: float = 0.8,
    theta_negative: float = 0.2,
    offset: int = 0,
) -> Tensor:
    """CSSL [reconstruction]: binary cross-entropy of alike and unlike pairs, per prediction.

    With logits a_ij = S_ij/τ, P_i = {i} and all j with sigmoid(a_ij) >= θ⁺, and M_i all other j
    with sigmoid(a_ij) <= θ⁻; pairs between the two are left out::

        ℓ_i = 1/2 mean_{j in P_i} -log sigmoid(a_ij) + 1/2 mean_{j in M_i} -log(1 - sigmoid(a_ij))

    Both kinds weigh the same for each prediction, however many there are; a kind without a pair
    adds 0.

    Args:
        p: (n, D) raw local predictions.
        all_z: (N, D) raw target projections of all ranks; detached.
        temperature: τ > 0. At 1 the sigmoid of a cosine lies in [0.27, 0.73], and no pair but the
            own one would pass the default thresholds.
        theta_positive: θ⁺, above θ⁻.
        theta_negative: θ⁻.
        offset: Row of ``all_z`` with the target of the first prediction: rank·n.

    Returns:
        (n,) loss of each prediction.

    Raises:
        ValueError: If shapes do not fit together, or an argument is outside its range.
    """
    check_temperature(temperature)
    check_similarity_labels(theta_positive, theta_negative, 0.0)
    cosines, own = _cosines(p, all_z, offset)
    logits = cosines / temperature
    chance = logits.detach().sigmoid()
    alike = own | (chance >= theta_positive)
    unlike = ~own & (chance <= theta_negative)
    zero = torch.zeros_like(logits)
    said_unlike, said_alike = torch.logaddexp(-logits, zero), torch.logaddexp(logits, zero)
    return (_mean_where(alike, said_unlike) + _mean_where(unlike, said_alike)) / 2


def check_similarity_labels(
    theta_positive: float, theta_negative: float, negative_weight: float
) -> None:
    """Refuse thresholds that would call a pair alike and unlike at once.

    Raises:
        ValueError: If θ⁺ is not above θ⁻, or the weight is negative or not finite.
    """
    if not theta_positive > theta_negative:
        raise ValueError(
            f"theta_positive must be above theta_negative, got {theta_positive} and "
            f"{theta_negative}: a pair cannot be alike and unlike at once."
        )
    if not math.isfinite(negative_weight) or negative_weight < 0:
        raise ValueError(
            f"negative_weight must be a finite number of at least 0, got {negative_weight}."
        )


def _cosines(p: Tensor, all_z: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """(n, N) cosines, and where prediction and target are of one image."""
    check_matrix(p, "p")
    check_matrix(all_z, "all_z")
    check_offset(p, all_z, offset, names=("p", "all_z"))
    with torch.autocast(p.device.type, enabled=False):
        cosines = unit_rows(p) @ unit_rows(all_z.detach()).T
    own = torch.zeros_like(cosines, dtype=torch.bool)
    own.diagonal(offset).fill_(True)
    return cosines, own


def _mean_where(mask: Tensor, values: Tensor) -> Tensor:
    """Mean of each row over its masked entries, 0 where there is none."""
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
