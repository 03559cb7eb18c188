"""What the loss functions ask of their arguments, worded once."""

import math

from torch import Tensor


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that cosines cannot be divided by.

    Raises:
        ValueError: If ``temperature`` is not finite or not above zero.
    """
    if not math.isfinite(temperature) or temperature <= 0:
        raise ValueError(
            f"temperature must be a finite number above 0, got {temperature}: cosines are divided "
            "by it. Usual values lie between 0.05 and 1."
        )


def check_pair(first: Tensor, second: Tensor, names: tuple[str, str]) -> None:
    """Refuse two sets of embeddings that are not row-by-row partners.

    Args:
        first: Meant to be (N, D) with N >= 1.
        second: Meant to be of the same shape.
        names: What the caller names the two arguments.

    Raises:
        ValueError: If a tensor is not a matrix, has no rows, or the shapes differ.
    """
    if first.ndim != 2 or first.shape != second.shape or first.shape[0] == 0:
        raise ValueError(
            f"{names[0]} and {names[1]} must be matrices of one shape (N, D) with N >= 1, row i of "
            f"both from the same image, got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Flatten further dimensions, and give both views of every image."
        )


def check_offset(local: Tensor, everyone: Tensor, offset: int, *, names: tuple[str, str]) -> None:
    """Refuse local rows that cannot be rows ``offset`` and on of the gathered ones.

    Args:
        local: Meant to be (n, D), this rank's rows.
        everyone: Meant to be (N, D), the rows of all ranks, N >= n.
        offset: Row of ``everyone`` where ``local`` begins.
        names: What the caller names the two tensors.

    Raises:
        ValueError: If the embedding sizes differ or ``offset`` points outside.
    """
    if local.shape[1] != everyone.shape[1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same embedding size, got {local.shape[1]} "
            f"and {everyone.shape[1]}. Gather the embeddings that are the anchors."
        )
    if not 0 <= offset <= everyone.shape[0] - local.shape[0]:
        raise ValueError(
            f"offset must lie between 0 and N - n = {everyone.shape[0] - local.shape[0]}, got "
            f"{offset}: the {local.shape[0]} rows of {names[0]} are rows offset to offset + "
            f"{local.shape[0]} of the {everyone.shape[0]} of {names[1]}. Use rank times the rows "
            "of a rank."
        )


def check_matrix(x: Tensor, name: str) -> None:
    """Refuse embeddings that are not a matrix with rows.

    Raises:
        ValueError: If ``x`` is not (N, D) with N >= 1.
    """
    if x.ndim != 2 or x.shape[0] == 0:
        raise ValueError(
            f"{name} must be a matrix (N, D) with N >= 1, got {tuple(x.shape)}. Flatten further "
            "dimensions."
        )
