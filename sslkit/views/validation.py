"""Checks of the arguments that view operations share."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Colour = Literal["exact", "fast"]


def check_size(value: int) -> int:
    """Return `value`, the side of a view in pixels, or raise.

    Raises:
        ValueError: If it is below 1.
    """
    if value < 1:
        raise ValueError(
            f"size must be a whole number of pixels of at least 1, got {value}: it is the side of "
            "the square view that the encoder sees."
        )
    return value


def check_probability(name: str, value: float) -> float:
    """Return `value`, a probability, or raise.

    Raises:
        ValueError: If it is outside [0, 1].
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability between 0 and 1, got {value}.")
    return value


def check_colour(value: Colour) -> Colour:
    """Return `value`, the arithmetic of colours, or raise.

    Raises:
        ValueError: If it is another word.
    """
    if value not in ("exact", "fast"):
        raise ValueError(
            f"colour must be 'exact' (torchvision's arithmetic) or 'fast' (one affine map), got "
            f"{value!r}."
        )
    return value


def check_strength(value: float, *, hue: float) -> float:
    """Return `value`, the factor on a recipe's colour jitter, or raise.

    Args:
        value: The strength.
        hue: Turns of the colour circle at strength 1; half a turn is the most there is.

    Raises:
        ValueError: If it is negative, or turns the hue by more than half a turn.
    """
    if not 0 <= value * hue <= 0.5:
        raise ValueError(
            f"strength must be between 0 and {0.5 / hue:g}, got {value}: 0 leaves the colour "
            "jitter out, 1 is the paper's."
        )
    return value


def check_range(
    name: str, value: Sequence[float], *, above: float, up_to: float
) -> tuple[float, float]:
    """Return `value`, the two ends of a range, as a tuple, or raise.

    Args:
        name: What the message calls it.
        value: Lower and upper end.
        above: What the lower end must exceed.
        up_to: What the upper end may reach.

    Raises:
        ValueError: If there are not two ends, they are reversed, or they leave (above, up_to].
    """
    low, high = value if len(value) == 2 else (1.0, 0.0)
    if not above < low <= high <= up_to:
        raise ValueError(
            f"{name} must be two numbers, lower end first, above {above:g} and at most {up_to:g}, "
            f"got {list(value)}."
        )
    return float(low), float(high)


def check_images(images: Tensor) -> None:
    """Raise unless the images are a uint8 batch.

    Raises:
        TypeError: If they are not uint8.
        ValueError: If they are not (B, C, H, W).
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(
            f"images must be a uint8 tensor of values 0..255, got {kind}: views are made from "
            "pixels as they are decoded. Convert with (images * 255).round().to(torch.uint8), or, "
            "if these are views already, hand them to the method as they are."
        )
    if images.ndim != 4:
        raise ValueError(
            f"images must be a batch (B, C, H, W), got shape {tuple(images.shape)}: add the batch "
            "dimension with images[None] or the channel dimension with images[:, None]."
        )
