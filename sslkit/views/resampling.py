"""Antialiased resampling of intervals of an axis: which pixels make a point, and with what weights.

The weights are those of ``torchvision.transforms.v2.functional.resize(..., antialias=True)`` and of
PIL: a kernel stretched by the scale when it shrinks the image, cut at the interval's ends,
normalised to sum 1.
"""

from typing import Literal

import torch
from torch import Tensor

from sslkit.views.separable import Taps, scattered

Interpolation = Literal["bilinear", "bicubic"]
_REACH = {"bilinear": 1, "bicubic": 2}  # of the kernel to either side, in pixels of the scale
_SHORT = 64  # pixels of an axis, see below


def resampling_taps(
    start: Tensor,
    length: Tensor,
    *,
    source: int,
    size: int,
    interpolation: Interpolation,
    mirrored: Tensor | None = None,
) -> Taps:
    """Resample n intervals of an axis to `size` points each.

    Args:
        start: (n,) first pixel of each interval.
        length: (n,) its pixels, at least 1; ``start + length <= source``.
        source: Pixels along the axis.
        size: Pixels wanted.
        interpolation: The kernel, a triangle or Keys' cubic with a = -1/2.
        mirrored: (n,) bool, whose points come in reverse order; None mirrors none.

    Returns:
        K neighbouring pixels for each point, with weights that sum to 1 and are 0 outside the
        interval, on the device of `start`.
    """
    device = start.device
    point = torch.arange(size, device=device, dtype=torch.float32).add_(0.5).expand(len(start), -1)
    if mirrored is not None:
        point = torch.where(mirrored[:, None], size - point, point)
    scale = length[:, None] / size
    centre = point * scale + start[:, None]
    shrink = scale.clamp_min(1)

    reach = _REACH[interpolation]
    # The whole axis is the longest interval there can be, and has the widest kernel.
    taps = min(source, int(2 * reach * max(1.0, source / size) + 0.5) + 1)
    first = (centre - reach * shrink).floor_().clamp_(0, source - taps)
    pixel = first[:, :, None] + torch.arange(taps, device=device, dtype=torch.float32)
    begin, end = start[:, None, None], (start + length)[:, None, None]
    inside = (pixel >= begin) & (pixel < end)
    place = pixel.int()
    distance = pixel.add_(0.5).div_(shrink[:, None]).sub_((centre / shrink)[:, :, None])
    kernel = _triangle if interpolation == "bilinear" else _cubic
    weight = kernel(distance.abs_()).mul_(inside)
    # Rounding depends on the order of a sum. On short axes it is that of whole rows, zeros and all,
    # as figures were measured with; of a power of two pixels both orders give the same.
    rows = source <= _SHORT and source & (source - 1) != 0
    summed = scattered(Taps(place, weight), source) if rows else weight
    return Taps(place, weight.div_(summed.sum(dim=2, keepdim=True)))


def _triangle(distance: Tensor) -> Tensor:
    return distance.neg_().add_(1).clamp_min_(0)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic (a = -1/2) of distances >= 0, written in its truncated distances to 1 and 2.

    With q = max(2 - x, 0) and p = max(1 - x, 0) it is q²(q - 1)/2 + p²(1 - 2p) everywhere: no
    branches, which cost many times a multiplication.
    """
    near = (1 - distance).clamp_min_(0)
    far = distance.neg_().add_(2).clamp_min_(0)
    inner = near.square().mul_(near.mul_(-2).add_(1))
    return far.square().mul_(far.sub_(1).mul_(0.5)).add_(inner)
