"""All changes of an image's colours as one affine map of RGB.

In YIQ, brightness b, contrast c, saturation s and a turn of the hue by t are::

    Y -> b (c Y + (1 - c) mean(Y)),    I + iQ -> b c s exp(-2 pi i t) (I + iQ)

whatever their order, and grey is s = 0. This leaves out the clamping between changes, which happens
once at the end instead, and it turns hue at constant luma, which HSV does not.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sslkit.views.colour import LUMA
from sslkit.views.pieces import piece_of

# NTSC's I and Q, in whose plane red, green and blue follow one another clockwise.
_CHROMA = ((0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


class ColourMap(NamedTuple):
    """What happens to the colours of n images.

    Attributes:
        gain: (n,) factor on the luma.
        lift: (n,) how much of the image's mean luma is added to it.
        chroma: (n,) complex64, factor on I + iQ.
    """

    gain: Tensor
    lift: Tensor
    chroma: Tensor

    def then(self, later: "ColourMap") -> "ColourMap":
        """This map and then another one, as one."""
        lift = later.gain * self.lift + later.lift * (self.gain + self.lift)
        return ColourMap(self.gain * later.gain, lift, self.chroma * later.chroma)

    def where(self, chosen: Tensor) -> "ColourMap":
        """The same for the images chosen (n,) bool; the others keep their colours."""
        kept = (1.0, 0.0, 1.0)
        return ColourMap(*(x.masked_fill(~chosen, y) for x, y in zip(self, kept, strict=True)))

    def apply(self, images: Tensor) -> Tensor:
        """Map the colours and clamp.

        Args:
            images: (n, C, H, W) in [0, 1], C = 3, or 1 for greys; may be overwritten.

        Returns:
            (n, C, H, W) in [0, 1].
        """
        n, c, h, w = images.shape
        maps = self._matrices(c).to(images.device, non_blocking=True)
        step = piece_of(images)
        for first in range(0, n, step):
            part = slice(first, first + step)
            pixels = images[part].view(-1, c, h * w)
            linear, of_mean = maps[part].unbind(1)
            offset = of_mean @ pixels.mean(dim=2, keepdim=True)
            mapped = torch.baddbmm(offset, linear, pixels).clamp_(0, 1)
            if step >= n:
                return mapped.view(n, c, h, w)
            pixels.copy_(mapped)
        return images

    def _matrices(self, channels: int) -> Tensor:
        """(n, 2, C, C): what a pixel, and what the image's mean pixel, is multiplied with."""
        if channels == 1:
            return torch.stack([self.gain, self.lift], dim=1)[:, :, None, None]
        of_pixel = torch.stack([self.gain, self.chroma.real, self.chroma.imag], dim=1)
        of_mean = torch.stack([self.lift, torch.zeros_like(self.lift)], dim=1)[:, [0, 1, 1]]
        parts = torch.stack([of_pixel, of_mean], dim=1)
        return (parts @ _PARTS.to(parts.device)).unflatten(2, (3, 3))


def colour_change(
    brightness: Tensor, contrast: Tensor, saturation: Tensor, turns: Tensor
) -> ColourMap:
    """The map of four changes with (n,) factors, at least 0, and turns of the colour circle."""
    gain = brightness * contrast
    return ColourMap(gain, brightness - gain, torch.polar(gain * saturation, -math.tau * turns))


def _parts() -> Tensor:
    """What the parts of a map do to RGB, (3, 9): keep luma, keep chroma, turn it by a quarter."""
    yiq = np.array([LUMA, *_CHROMA])
    quarter = np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]])
    parts = [
        np.linalg.solve(yiq, part @ yiq)
        for part in (np.diag([1, 0, 0]), np.diag([0, 1, 1]), quarter)
    ]
    # Through numpy: whatever torch's default device is when this module is imported.
    return torch.from_numpy(np.stack(parts).astype(np.float32)).flatten(1)


_PARTS = _parts()
