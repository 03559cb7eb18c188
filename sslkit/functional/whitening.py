"""Whitening by Cholesky factors, and the loss of views that are whitened slice by slice (W-MSE).

Notation: V views, N images, I permutations, s images in a slice, D embedding size. Everything runs
in at least float32 and outside autocast: half precision makes covariances indefinite.
"""

import warnings
from itertools import combinations
from typing import Literal, get_args

import torch
from torch import Tensor

from sslkit.functional.normalise import unit_rows, widen

Distance = Literal["cosine", "euclidean"]

# Share of the mean variance that is added to a covariance without a Cholesky factor: the first of
# these that gives it one.
_REPAIRS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def whiten(x: Tensor, *, eps: float = 0.0) -> Tensor:
    """Centre rows and give them the identity as covariance.

    With x centred, Σ = xᵀx/(n-1) and the lower Cholesky factor L of (1-ε)Σ + εI, each row becomes
    L⁻¹x. The result does not change under x -> Tx + b for lower-triangular T with a positive
    diagonal. Gradient flows through the statistics. Ermolov et al., "Whitening for Self-Supervised
    Representation Learning", 2021, https://arxiv.org/abs/2007.06346.

    Where the covariance has no Cholesky factor, because the rows do not span all dimensions, a
    share of its mean variance is added to its diagonal, and a warning says so.

    Args:
        x: (n, D) raw embeddings, n > D.
        eps: ε in [0, 1]; 1 only centres.

    Returns:
        (n, D) in float32 (float64 for float64 input).

    Raises:
        ValueError: If ``x`` is not a matrix with more rows than columns, or eps is outside [0, 1].
    """
    if x.ndim != 2:
        raise ValueError(
            f"whiten() takes a matrix (n, D), got shape {tuple(x.shape)}. Flatten further "
            "dimensions."
        )
    check_whitening(x.shape[0], x.shape[1], eps, "whiten()", "a batch")
    return _whiten(x, eps)


def w_mse(
    views: Tensor,
    *,
    permutations: Tensor,
    slice_size: int,
    eps: float = 0.0,
    distance: Distance = "cosine",
) -> Tensor:
    """W-MSE: views of an image are near after whitening.

    A permutation of the images is cut into slices, the same for every view. Each slice of each view
    is whitened on its own, and the distance of an image's whitened embeddings is averaged over
    images, over the V(V-1)/2 pairs of views, and over permutations. Gradient flows through all
    views and their statistics. Ermolov et al., 2021,
    https://arxiv.org/abs/2007.06346.

    Args:
        views: (V, N, D) raw embeddings, V >= 2.
        permutations: (I, N) int64, every row an order of the images 0 to N-1.
        slice_size: s, a divisor of N above D (2D and more is recommended).
        eps: ε in [0, 1], see `whiten`.
        distance: ``cosine`` is 2 - 2cos; ``euclidean`` the mean square over the D dimensions, D
            times less than the squared distance.

    Returns:
        Scalar in float32 (float64 for float64 input).

    Raises:
        ValueError: If a shape, the slice size, eps, the distance or a permutation does not fit.
    """
    return w_mse_per_image(
        views, permutations=permutations, slice_size=slice_size, eps=eps, distance=distance
    ).mean()


def w_mse_per_image(
    views: Tensor,
    *,
    permutations: Tensor,
    slice_size: int,
    eps: float = 0.0,
    distance: Distance = "cosine",
) -> Tensor:
    """`w_mse` before its mean over images.

    Args:
        views: (V, N, D) raw embeddings.
        permutations: (I, N) int64.
        slice_size: s.
        eps: ε in [0, 1].
        distance: ``cosine`` or ``euclidean``.

    Returns:
        (N,) loss of each image, in the images' order.

    Raises:
        ValueError: As `w_mse`.
    """
    if views.ndim != 3 or views.shape[0] < 2:
        raise ValueError(
            f"views must hold at least two views, (V, N, D), got shape {tuple(views.shape)}."
        )
    count, images, dim = views.shape
    check_distance(distance)
    check_slices(images, slice_size, dim, eps)
    _check_permutations(permutations, images)
    order = permutations.to(views.device)  # (I, N)
    with torch.autocast(views.device.type, enabled=False):
        slices = widen(views)[:, order].unflatten(2, (-1, slice_size))  # (V, I, N/s, s, D)
        whitened = _whiten(slices, eps).flatten(1, 3)  # (V, I·N, D)
        if distance == "cosine":
            whitened = unit_rows(whitened.flatten(0, 1)).unflatten(0, (count, -1))
        pairs = list(combinations(whitened, 2))
        total = torch.stack([(a - b).square().sum(1) for a, b in pairs]).sum(0)  # (I·N,)
        share = len(pairs) * order.shape[0] * (dim if distance == "euclidean" else 1)
        return total.new_zeros(images).index_add(0, order.flatten(), total / share)


def check_slices(images: int, slice_size: int, dim: int, eps: float) -> None:
    """Refuse slices that cannot be whitened, or that do not fill a batch.

    Args:
        images: N.
        slice_size: s.
        dim: D.
        eps: Meant to be in [0, 1].

    Raises:
        ValueError: Says which of them.
    """
    check_whitening(slice_size, dim, eps, "w_mse()", "a slice_size")
    if images == 0 or images % slice_size:
        raise ValueError(
            f"w_mse() cuts the batch into slices of {slice_size} images, which do not fill a batch "
            f"of {images}: use a batch size that is a multiple of slice_size, and drop the last, "
            "smaller batch."
        )


def check_whitening(rows: int, dim: int, eps: float, where: str, what: str) -> None:
    """Refuse to whiten rows that cannot span their dimensions.

    Args:
        rows: How many are whitened together.
        dim: Their width.
        eps: Meant to be in [0, 1].
        where: The function that was asked.
        what: What the user sets to change ``rows``.

    Raises:
        ValueError: If there are not more rows than dimensions, or eps is outside [0, 1].
    """
    if rows <= dim:
        raise ValueError(
            f"{where} needs more rows than features, got {rows} x {dim}: their covariance has no "
            f"inverse. Use {what} of more than {dim} (at least {2 * dim} is better), or lower the "
            f"projector's output below {rows}."
        )
    if not 0 <= eps <= 1:
        raise ValueError(
            f"eps must lie in [0, 1], got {eps}: it is the identity's share in the covariance. "
            "The paper uses 0."
        )


def check_distance(distance: str) -> None:
    """Refuse a distance that W-MSE does not know.

    Raises:
        ValueError: If it is neither ``cosine`` nor ``euclidean``.
    """
    if distance not in get_args(Distance):
        raise ValueError(f"distance must be 'cosine' or 'euclidean', got {distance!r}.")


def _whiten(x: Tensor, eps: float) -> Tensor:
    """(..., n, D) -> (..., n, D), every matrix on its own."""
    with torch.autocast(x.device.type, enabled=False):
        x = widen(x)
        x = x - x.mean(dim=-2, keepdim=True)
        covariance = x.mT @ x / (x.shape[-2] - 1)
        if eps > 0:
            identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
            covariance = (1 - eps) * covariance + eps * identity
        factor = _cholesky(covariance)
        # x L⁻ᵀ: every row becomes L⁻¹ times it.
        return torch.linalg.solve_triangular(factor.mT, x, upper=True, left=False)


def _cholesky(covariance: Tensor) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(covariance)
    # A covariance that is not finite has no factor either; the loss will show it.
    if not failed.any() or not covariance.isfinite().all():
        return factor
    variance = covariance.diagonal(dim1=-2, dim2=-1).mean(-1).detach()
    # Where nothing varies at all, any number: the centred rows are zero.
    variance = torch.where(variance > 0, variance, 1)
    identity = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    share = 0.0
    for share in _REPAIRS:
        added = torch.where(failed > 0, share * variance, 0)
        factor, still = torch.linalg.cholesky_ex(covariance + added[..., None, None] * identity)
        if not still.any():
            break
    warnings.warn(
        f"{int((failed > 0).sum())} of {failed.numel()} covariances to be whitened had no Cholesky "
        f"factor, so {share:g} of their mean variance was added to their diagonal. The embeddings "
        "do not span all their dimensions: use larger slices or a narrower projector, look for "
        "collapse, or set eps above 0.",
        stacklevel=2,
    )
    return factor


def _check_permutations(permutations: Tensor, images: int) -> None:
    fits = permutations.ndim == 2 and permutations.shape[0] > 0
    fits = fits and permutations.shape[1] == images and permutations.dtype == torch.int64
    if not fits:
        raise ValueError(
            f"permutations must be int64 (I, N) with I >= 1 and N = {images} images, got "
            f"{permutations.dtype} {tuple(permutations.shape)}. Use one torch.randperm({images}) "
            "a row."
        )
    everyone = torch.arange(images, device=permutations.device)
    if not (permutations.sort(dim=1).values == everyone).all():
        raise ValueError(
            f"every row of permutations must hold each of 0 to {images - 1} once. Use "
            f"torch.randperm({images})."
        )
