"""Exact colour arithmetic on batches, with a factor per image, in place.

The four adjustments are torchvision's (PIL's): brightness, contrast and saturation blend an image
with another one (black, its mean grey, its own greys), hue turns the colour circle in HSV. Images
are (n, C, H, W) float32 in [0, 1] with C = 1 or 3.
"""

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # grey weights of ITU-R BT.601


def check_colour_channels(operation: str, images: Tensor, remedy: str) -> None:
    """Raise unless the images have 1 or 3 channels.

    Raises:
        ValueError: If C is neither; it names the operation and the remedy.
    """
    channels = images.shape[1]
    if channels not in (1, 3):
        raise ValueError(
            f"{operation} needs images with 3 channels (RGB) or 1 (grey), got {channels} channels: "
            f"colour is not defined for them. {remedy}"
        )


def grey(images: Tensor) -> Tensor:
    """The luma of each pixel, a new tensor: (n, C, H, W) -> (n, 1, H, W); greys are their own."""
    if images.shape[1] == 1:
        return images.clone()
    red, green, blue = images.split(1, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def blend_(images: Tensor, factor: Tensor, *, to_grey: Tensor, to_mean: Tensor) -> Tensor:
    """Brightness, contrast and saturation in one formula: clamp(f x + (1 - f) other, 0, 1).

    The other image is ``to_grey * grey(x) + to_mean * mean(grey(x))``: (0, 0) is black, which makes
    it brightness, (0, 1) contrast, (1, 0) saturation.

    Args:
        images: (n, C, H, W), overwritten.
        factor: (n,) f; 1 changes nothing, bit by bit.
        to_grey: (n,) 0 or 1.
        to_mean: (n,) 0 or 1.

    Returns:
        The images.
    """
    other = grey(images)
    rest = 1 - factor
    mean = other.mean(dim=(1, 2, 3)) * (rest * to_mean)
    other.mul_(_per_image(rest * to_grey)).add_(_per_image(mean))
    return images.mul_(_per_image(factor)).add_(other).clamp_(0, 1)


def rotate_hue_(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue in HSV: (n, 3, H, W), overwritten, by (n,) turns in [-1/2, 1/2].

    No branches, which cost many times an addition on large tensors. With M and m the largest and
    smallest channel and c = M - m, the distance of a colour from red on the circle of length 6 is
    1 + (G + B - R - m) / c, on the side that the sign of G - B tells. Back, each channel is
    m + c clamp(2 - d, 0, 1), d being the distance from its own primary.
    """
    red, green, blue = images.unbind(dim=1)
    chroma = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma.sub_(low)
    hue = (green + blue).sub_(red).sub_(low)
    # Where chroma is 0 any finite hue does: it is multiplied by that 0.
    hue.div_(chroma.clamp_min(1e-12)).add_(1)
    hue.copysign_(green - blue).add_(6 * turns[:, None, None])
    # Wrapped into [-1, 5], no hue is further than 6 from a primary (0, 2, 4).
    hue.sub_(hue.sub(2).div_(6).round_().mul_(6))
    primaries = torch.arange(0, 6, 2, device=images.device)[:, None, None]
    # |3 - |hue - primary|| - 1 is 2 minus the distance the shorter way round, up to the clamp.
    share = torch.sub(hue[:, None], primaries, out=images)
    share.abs_().sub_(3).abs_().sub_(1).clamp_(0, 1)
    return share.mul_(chroma[:, None]).add_(low[:, None])


def _per_image(value: Tensor) -> Tensor:
    return value[:, None, None, None]
