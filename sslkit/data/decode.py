"""From whatever a source holds to uint8 ``(C, H, W)`` tensors of one shape.

C channels, H x W pixels. Nothing here is random.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as tvf

from sslkit.data.errors import DataError
from sslkit.data.pil_images import array_to_uint8, pil_to_uint8


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """The one shape that every image of a run is brought to.

    Attributes:
        channels: C.
        height: H in pixels.
        width: W in pixels.
        resize: Whether other sizes are resized (``image_size`` was given) or refused.
        convert: Whether other channel counts are converted (``channels`` was given) or refused.
        reference: Name of the image that set what was not given, for messages.
    """

    channels: int
    height: int
    width: int
    resize: bool
    convert: bool
    reference: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        return self.channels, self.height, self.width


def to_uint8(image: Any, name: str, *, image_size: int | None = None) -> Tensor:
    """An image as a uint8 tensor ``(C, H, W)``, C and size as they are.

    Args:
        image: PIL image (1, L: one channel; 16-bit grey: one channel, scaled to 8 bits; any other
            mode: RGB), uint8 array ``(H, W)`` or ``(H, W, C)``, or uint8 tensor ``(C, H, W)``.
        name: What to call it in messages.
        image_size: The size that it is resized to later; lets JPEG files decode at a fraction of
            their size. The result is still larger than this.

    Returns:
        uint8 ``(C, H, W)``.

    Raises:
        UnreadableImageError: If a file is truncated or is no image.
        DataError: If it is of another type or dtype, has no pixels, or has pixels that have no
            8-bit meaning.
    """
    if isinstance(image, Image.Image):
        enough = None if image_size is None else image_size / max(1, min(image.size))
        tensor = pil_to_uint8(image, name, enough=enough)
    elif isinstance(image, Tensor) and image.dtype == torch.uint8 and image.ndim == 3:
        tensor = image.as_subclass(Tensor)
    elif isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        tensor = array_to_uint8(image)
    else:
        shape = f" {tuple(image.shape)} {image.dtype}" if hasattr(image, "shape") else ""
        raise DataError(
            f"{name} is a {type(image).__name__}{shape}. An image must be a PIL image, a uint8 "
            "array (H, W) or (H, W, C), or a uint8 tensor (C, H, W): leave out transforms such as "
            "ToTensor or Normalize, the views are made on the device."
        )
    if tensor.numel() == 0:
        raise DataError(f"{name} has no pixels: its shape is {tuple(tensor.shape)} (C, H, W).")
    return tensor


def conform(image: Tensor, wanted: ImageFormat, name: str) -> Tensor:
    """Bring one image, or many of one size, to the run's format.

    Args:
        image: uint8 ``(..., C', H', W')``.
        wanted: The format.
        name: What to call it in messages.

    Returns:
        uint8 ``(..., C, H, W)``; the same tensor where nothing had to change.

    Raises:
        DataError: If channels or sizes differ and may not be, or cannot be, converted.
    """
    image = conform_channels(image, wanted, name)
    if image.shape[-2:] != (wanted.height, wanted.width):
        if not wanted.resize:
            height, width = image.shape[-2:]
            raise DataError(
                f"The images have mixed sizes: {wanted.reference} is {wanted.width} x "
                f"{wanted.height} pixels, {name} is {width} x {height}. Set `image_size` to resize "
                "and centre-crop all of them to one square."
            )
        image = resize_to_square(image, wanted.height)
    return image


def conform_channels(image: Tensor, wanted: ImageFormat, name: str) -> Tensor:
    """Bring images of any size to the run's number of channels.

    Args:
        image: uint8 ``(..., C', H, W)``.
        wanted: The format.
        name: What to call it in messages.

    Returns:
        uint8 ``(..., C, H, W)``.

    Raises:
        DataError: If the channels differ and may not be, or cannot be, converted.
    """
    channels = image.shape[-3]
    if channels == wanted.channels:
        return image
    if not wanted.convert:
        raise DataError(
            f"{name} has {channels} channel(s) but {wanted.reference} has {wanted.channels}. Set "
            "`channels` to bring all images to one number: 3 repeats greyscale, 1 takes the luma "
            "of RGB."
        )
    return convert_channels(image, wanted.channels, name)


def convert_channels(image: Tensor, channels: int, name: str) -> Tensor:
    """Greyscale to RGB by repetition, RGB to its luma; any other change is refused.

    Args:
        image: uint8 ``(..., C', H, W)``.
        channels: C, the number wanted.
        name: What to call it in messages.

    Returns:
        uint8 ``(..., C, H, W)``; the repetition is a view that takes no memory.

    Raises:
        DataError: For any other pair of numbers.
    """
    found = image.shape[-3]
    if found == channels:
        return image
    if (found, channels) == (1, 3):
        return image.expand(*image.shape[:-3], 3, *image.shape[-2:])
    if (found, channels) == (3, 1):
        return tvf.rgb_to_grayscale(image, num_output_channels=1)
    raise DataError(
        f"`channels` is {channels} but {name} has {found} channel(s). Only greyscale to RGB "
        "(1 to 3) and RGB to greyscale (3 to 1) have a meaning; leave `channels` out to keep what "
        "the images have, or convert the images beforehand."
    )


def resize_to_square(image: Tensor, size: int) -> Tensor:
    """Shorter side to ``size`` (bilinear, antialiased), then the central square.

    Args:
        image: uint8 ``(..., C, H, W)``.
        size: Pixels a side.

    Returns:
        uint8 ``(..., C, size, size)``; the same tensor if it has that size already.
    """
    if image.shape[-2:] == (size, size):
        return image
    image = tvf.resize(image, [size], interpolation=tvf.InterpolationMode.BILINEAR, antialias=True)
    return tvf.center_crop(image, [size, size])
