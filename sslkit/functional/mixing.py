"""Negatives and positives made from others: MoCHi's mixes and feature transformation.

Notation: N anchors, K rows in the bank of negatives, H hardest of them for each anchor, S mixes of
each anchor, D embedding size. All draws are arguments. Nothing is re-normalised that a paper does
not re-normalise, and everything is computed in at least float32, outside autocast.
"""

import torch
from torch import Tensor

from sslkit.functional.checks import check_pair
from sslkit.functional.normalise import widen


def mix_pairs(bank: Tensor, hard: Tensor, pair: Tensor, weight: Tensor) -> Tensor:
    """Synthetic negatives of MoCHi, each between two hard negatives of its anchor.

    With i, j the rows of the bank that a mix's two columns stand for::

        h = (α n_i + (1-α) n_j) / ‖α n_i + (1-α) n_j‖

    Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", 2020,
    https://arxiv.org/abs/2010.01028. Holds an (N,S,D) tensor, which
    `mix_products.pair_mix_products` does without.

    Args:
        bank: (K, D) unit rows.
        hard: (N, H) int64, the rows of the bank that are each anchor's hardest.
        pair: (2, N, S) int64, columns of ``hard``: the two ends of each mix.
        weight: (N, S), α of the first end.

    Returns:
        (N, S, D) unit rows, detached, in float32 (float64 for a float64 bank).

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_hard(bank, hard)
    check_pairs_of(hard, pair, weight)
    with torch.no_grad(), torch.autocast(bank.device.type, enabled=False):
        rows, share = widen(bank), widen(weight)[..., None]
        first, second = (rows[hard.gather(1, column)] for column in pair)
        return _unit(share * first + (1 - share) * second)


def mix_queries(q: Tensor, bank: Tensor, hard: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Synthetic negatives of MoCHi, each between its anchor and one hard negative of it.

    With j the row of the bank that a mix's column stands for::

        h' = (β q_i + (1-β) n_j) / ‖β q_i + (1-β) n_j‖

    With β below a half, as the paper draws it, the negative keeps the larger share. Kalantidis et
    al., 2020. Holds an (N,S,D) tensor, which `mix_products.query_mix_products` does without.

    Args:
        q: (N, D) unit rows, the anchors.
        bank: (K, D) unit rows.
        hard: (N, H) int64, the rows of the bank that are each anchor's hardest.
        index: (N, S) int64, the column of ``hard`` in each mix.
        weight: (N, S), β of the anchor.

    Returns:
        (N, S, D) unit rows, detached, in float32 (float64 for float64 inputs).

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_hard(bank, hard)
    check_query(q, bank, hard)
    check_queries_of(hard, index, weight)
    with torch.no_grad(), torch.autocast(bank.device.type, enabled=False):
        share = widen(weight)[..., None]
        return _unit(share * widen(q)[:, None] + (1 - share) * widen(bank)[hard.gather(1, index)])


def extrapolate_positives(q: Tensor, k: Tensor, lam: float | Tensor) -> tuple[Tensor, Tensor]:
    """Move each anchor and its positive apart, along the line through both.

    With λ >= 1, and without re-normalising::

        q̃ = λ q + (1-λ) k        k̃ = λ k + (1-λ) q

    For a scalar λ and unit rows at cosine s, q̃·k̃ = s + 2λ(1-λ)(1-s): never more than s, and s = 1
    stays. Neither result is detached from q or k, so the positive is quadratic in q. Zhu et al.,
    "Improving Contrastive Learning by Visualizing Feature Transformation", 2021,
    https://arxiv.org/abs/2108.02982.

    Args:
        q: (N, D) unit rows.
        k: (N, D) unit rows, row by row the anchors' positives; a momentum encoder's are detached.
        lam: λ; a scalar, (N, D), or what broadcasts to (N, D).

    Returns:
        (q̃, k̃), each (N, D) in at least float32. λ = 1 returns the values of q and k.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_pair(q, k, ("q", "k"))
    own, other = _shares(lam, q, "lam", "(N, D)")
    q, k = widen(q), widen(k)
    return own * q + other * k, own * k + other * q


def interpolate_negatives(bank: Tensor, permutation: Tensor, mu: float | Tensor) -> Tensor:
    """Mix every negative with another one of the bank, without re-normalising.

    ñ_j = μ n_j + (1-μ) n_π(j). Zhu et al., 2021.

    Args:
        bank: (K, D) unit rows; left as it is.
        permutation: (K,) int64, π.
        mu: μ; a scalar, (K, D), or what broadcasts to (K, D).

    Returns:
        (K, D) in at least float32. μ = 1 returns the values of the bank.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    if bank.ndim != 2 or permutation.shape != bank.shape[:1]:
        raise ValueError(
            "bank must be (K, D) and permutation (K,), one partner for every row, got "
            f"{tuple(bank.shape)} and {tuple(permutation.shape)}. Use torch.randperm(len(bank))."
        )
    own, other = _shares(mu, bank, "mu", "(K, D)")
    bank = widen(bank)
    return own * bank + other * bank[permutation]


def _unit(rows: Tensor) -> Tensor:
    """The last dimension divided by its norm."""
    return torch.nn.functional.normalize(rows, dim=-1, eps=1e-12)


def _shares(
    own: float | Tensor, like: Tensor, name: str, shape: str
) -> tuple[float | Tensor, float | Tensor]:
    """A coefficient and what it lacks to one, in the precision of what they multiply.

    The difference is taken in the coefficient's own precision, as the authors' code does.
    """
    if isinstance(own, float | int):
        return own, 1 - own
    fits = own.ndim <= 2 and all(
        size in (1, whole) for size, whole in zip(own.shape[::-1], like.shape[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"{name} must be a scalar or broadcast to {shape} = {tuple(like.shape)}, got "
            f"{tuple(own.shape)}. One for each row has the shape ({like.shape[0]}, 1)."
        )
    own, dtype = widen(own), torch.promote_types(like.dtype, torch.float32)
    return own.to(dtype), (1 - own).to(dtype)


def check_hard(bank: Tensor, hard: Tensor) -> None:
    """Refuse what is not a bank and rows of it for every anchor.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    if bank.ndim != 2 or hard.ndim != 2 or hard.dtype != torch.int64:
        raise ValueError(
            "bank must be (K, D) and hard (N, H) int64, each anchor's hardest rows of the bank, "
            f"got {tuple(bank.shape)} and {tuple(hard.shape)} {hard.dtype}."
        )


def check_query(q: Tensor, bank: Tensor, hard: Tensor) -> None:
    """Refuse anchors that are not as many, or not as wide, as the rest.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    if q.shape != (hard.shape[0], bank.shape[1]):
        raise ValueError(
            "q must be (N, D) with the N of hard and the D of the bank, got "
            f"{tuple(q.shape)} beside N = {hard.shape[0]} and D = {bank.shape[1]}."
        )


def check_pairs_of(hard: Tensor, pair: Tensor, weight: Tensor) -> None:
    """Refuse draws of mixes of two that do not fit the anchors.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    shape = (2, *weight.shape)
    if weight.ndim != 2 or len(weight) != len(hard) or pair.shape != shape:
        raise ValueError(
            f"pair must be (2, N, S) and weight (N, S) with the N = {len(hard)} of hard, got "
            f"{tuple(pair.shape)} and {tuple(weight.shape)}: two columns of hard and one weight "
            "for each of the S mixes of an anchor."
        )


def check_queries_of(hard: Tensor, index: Tensor, weight: Tensor) -> None:
    """Refuse draws of mixes with the anchor that do not fit the anchors.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    if weight.ndim != 2 or len(weight) != len(hard) or index.shape != weight.shape:
        raise ValueError(
            f"index and weight must be (N, S) with the N = {len(hard)} of hard, got "
            f"{tuple(index.shape)} and {tuple(weight.shape)}: a column of hard and a weight for "
            "each of the S mixes of an anchor."
        )
