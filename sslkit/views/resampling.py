"""Antialiased resampling of a box as a product with one matrix per image and axis.

Resizing is separable and linear, so the view of a box is ``rows @ image @ columns.T``. The weights
are those of ``torchvision.transforms.v2.functional.resize(..., antialias=True)`` and of PIL: a
kernel stretched by the scale when it shrinks the image, cut at the box's edges, normalised to sum
1.
"""

from typing import Literal

import torch
from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]


def resampling_weights(
    start: Tensor,
    length: Tensor,
    *,
    source: int,
    size: int,
    interpolation: Interpolation,
    mirrored: Tensor | None = None,
) -> Tensor:
    """The matrices that resample n intervals of an axis to `size` points each.

    Args:
        start: (n,) first pixel of each interval.
        length: (n,) its pixels, at least 1; ``start + length <= source``.
        source: Pixels along the axis.
        size: Pixels wanted.
        interpolation: The kernel, a triangle or Keys' cubic with a = -1/2.
        mirrored: (n,) bool, whose rows come in reverse order; None mirrors none.

    Returns:
        (n, size, source) float32 on the device of `start`; each row sums to 1 and is 0 outside its
        interval.
    """
    device = start.device
    point = torch.arange(size, device=device, dtype=torch.float32).add_(0.5).expand(len(start), -1)
    if mirrored is not None:
        point = torch.where(mirrored[:, None], size - point, point)
    scale = length[:, None] / size
    centre = point * scale + start[:, None]
    shrink = scale.clamp_min(1)
    pixel = torch.arange(source, device=device, dtype=torch.float32)
    inside = (pixel >= start[:, None]) & (pixel < (start + length)[:, None])

    distance = pixel.add(0.5).div(shrink)[:, None, :] - (centre / shrink)[:, :, None]
    kernel = _triangle if interpolation == "bilinear" else _cubic
    weights = kernel(distance.abs_()).mul_(inside[:, None, :])
    return weights.div_(weights.sum(dim=2, keepdim=True))


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
