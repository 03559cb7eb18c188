"""From a PIL image, decoded or only opened, to a uint8 tensor.

C channels, H x W pixels.
"""

import io

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from sslkit.data.errors import DataError, UnreadableImageError

_GREY_16_BIT = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
# Pixels that a JPEG may be shrunk to while decoding, as a multiple of what the resize needs:
# at 2 the difference from a full decode can no longer be seen.
_DRAFT_MARGIN = 2


def open_image(content: bytes | memoryview) -> Image.Image:
    """An encoded image, opened: its size and mode are known, its pixels are not decoded yet.

    Args:
        content: The bytes of an image file.

    Raises:
        OSError: If they are of no known format.
    """
    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise OSError("its format is unknown") from None  # PIL would name a place in memory


def pil_to_uint8(image: Image.Image, name: str, *, enough: float | None = None) -> Tensor:
    """The pixels of a PIL image.

    A JPEG that is opened but not decoded is decoded at 1/2, 1/4 or 1/8 of its size where that is
    enough.

    Args:
        image: 1 or L (one channel), 16-bit grey (one channel, scaled to 8 bits), or any other mode
            (RGB).
        name: What to call it in messages.
        enough: The resize that follows shrinks by 1 over this: 0.25 means to a quarter of the size.
            None keeps every pixel.

    Returns:
        uint8 ``(C, H, W)``, larger than what is enough.

    Raises:
        UnreadableImageError: If the file is truncated or is no image.
        DataError: If the pixels have no 8-bit meaning.
    """
    # Pillow reports damage through many exception types (OSError, SyntaxError, ValueError,
    # struct.error, zlib.error ...): all of them mean that this file is not a readable image.
    try:
        if enough is not None and getattr(image, "format", None) == "JPEG":
            scale = _DRAFT_MARGIN * enough
            image.draft(None, (int(image.width * scale) + 1, int(image.height * scale) + 1))
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableImageError(f"{name} cannot be read as an image: {error}") from error
    if image.mode in _GREY_16_BIT:
        return _from_grey_16_bit(np.asarray(image), name)
    if image.mode == "F":
        raise DataError(
            f"{name} holds floating-point pixels, which have no fixed range. Convert it to 8 bits."
        )
    mode = "L" if image.mode in ("1", "L") else "RGB"
    array = np.array(image if image.mode == mode else image.convert(mode), dtype=np.uint8)
    return array_to_uint8(array)


def array_to_uint8(array: np.ndarray) -> Tensor:
    """uint8 ``(H, W)`` or ``(H, W, C)`` -> ``(C, H, W)``, sharing memory if writable."""
    if not array.flags.writeable:
        array = array.copy()
    tensor = torch.from_numpy(array)
    return tensor.unsqueeze(0) if tensor.ndim == 2 else tensor.permute(2, 0, 1)


def _from_grey_16_bit(pixels: np.ndarray, name: str) -> Tensor:
    """``(H, W)`` integers in 0 to 65,535 -> uint8 ``(1, H, W)``, rounded to nearest."""
    wide = pixels.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() > 65535):
        raise DataError(
            f"{name} holds whole numbers from {wide.min()} to {wide.max()}, beyond 16-bit "
            "greyscale. Convert it to 8 bits."
        )
    return array_to_uint8(((wide * 255 + 32767) // 65535).astype(np.uint8))
