"""The views of boxes of images, resized with antialiasing.

B images, C channels, H x W pixels, S the side of the view.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sslkit.views.pieces import piece_of
from sslkit.views.resampling import Interpolation, resampling_taps
from sslkit.views.separable import Taps, mapped

# On an accelerator, the temporaries stay near 4 bytes x this many source pixels.
_CHUNK_VALUES = 2**24


class Boxes(NamedTuple):
    """Where to cut n images, each (n,) float32 holding whole numbers, and who is mirrored."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor  # bool

    def to(self, device: torch.device) -> "Boxes":
        """The same on another device, in one transfer."""
        if self.top.device == device:
            return self
        *box, flip = torch.stack([x.float() for x in self]).to(device, non_blocking=True)
        return Boxes(*box, flip=flip.bool())


def resized_boxes(images: Tensor, boxes: Boxes, size: int, interpolation: Interpolation) -> Tensor:
    """Cut, resize and mirror.

    Args:
        images: (B, C, H, W) uint8, or float32 in [0, 1].
        boxes: Of the B images, within them.
        size: S.
        interpolation: The kernel; cubic overshoots are clamped.

    Returns:
        (B, C, S, S) float32 in [0, 1].
    """
    b, c, h, w = images.shape
    boxes = boxes.to(images.device)
    views = torch.empty(b, c, size, size, device=images.device)
    on_cpu = images.device.type == "cpu"
    step = piece_of(views) if on_cpu else max(1, _CHUNK_VALUES // max(1, c * h * w))
    for first in range(0, b, step):
        part = slice(first, first + step)
        rows, columns = _axes(Boxes(*(x[part] for x in boxes)), h, w, size, interpolation)
        # Cubic overshoots leave [0, 1], and a weighted mean only by rounding.
        torch.clamp(mapped(images[part], rows, columns), 0, 1, out=views[part])
    return views


def _axes(
    boxes: Boxes, height: int, width: int, size: int, interpolation: Interpolation
) -> tuple[Taps, Taps]:
    """The taps of the vertical and of the horizontal axis; of a square image, computed at once."""
    starts, lengths = (boxes.top, boxes.left), (boxes.height, boxes.width)
    mirrored, sides = (torch.zeros_like(boxes.flip), boxes.flip), (height, width)
    if height == width:
        starts, lengths, mirrored = ((torch.cat(x),) for x in (starts, lengths, mirrored))
        sides = (height,)
    taps = [
        resampling_taps(
            start, length, source=side, size=size, interpolation=interpolation, mirrored=flip
        )
        for start, length, flip, side in zip(starts, lengths, mirrored, sides, strict=True)
    ]
    if height == width:
        pixels, weights = (x.chunk(2) for x in taps[0])
        taps = [Taps(*x) for x in zip(pixels, weights, strict=True)]
    return taps[0], taps[1]
