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
