"""What an encoder has to beat: the pixels of the images as features."""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from sslkit.nn import Encoder

SIDE = 32


class RawPixels(nn.Module):
    """Takes the place of an encoder; its features are the normalised pixels of the image.

    Images are made as small as those of CIFAR: the pixels of a photograph are too many to fit a
    probe on.

    Args:
        encoder: Its size and statistics are taken over.

    Attributes:
        side: Of the images in pixels, at most 32.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.side = min(SIDE, encoder.image_size or SIDE)
        self.register_buffer("mean", encoder.mean.detach().clone())
        self.register_buffer("std", encoder.std.detach().clone())

    def spec(self) -> dict[str, Any]:
        """What tells its features from others, beside its statistics."""
        return {"name": "raw pixels", "side": self.side}

    def preprocess(self, images: Tensor) -> Tensor:
        """Resized by the shorter side (antialiased), centre-cropped, normalised.

        Args:
            images: ``(B, C, H, W)`` uint8.

        Returns:
            ``(B, C, s, s)`` float32; s is ``side``, or that of the images if they are smaller.
        """
        x = images.float().div_(255)
        side = min(self.side, *x.shape[-2:])
        if tuple(x.shape[-2:]) != (side, side):
            x = transforms.center_crop(transforms.resize(x, [side], antialias=True), [side, side])
        return (x - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, s, s)`` -> ``(B, C * s * s)``."""
        return torch.flatten(x, 1)
