"""Crops that workers cut while they decode: one for each view, at the view's size.

V views, C channels, S_v pixels a side of view v. Every crop is drawn from a stream of its own,
named by the seed, the epoch's order and the image, so it does not matter which worker cuts it,
when, or how often a run was resumed.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional as F

from sslkit.data.decode import ImageFormat, conform_channels, to_uint8
from sslkit.data.pil_images import pil_to_uint8
from sslkit.seeding import counter_generator

# Keeps the crops apart from other draws that count seed, epoch and image.
_CROPS = 7349


class Crop(Protocol):
    """What is asked of a view's crop; `sslkit.views.RandomResizedCrop` is one.

    Attributes:
        size: S, side of the view in pixels.
        interpolation: Of the resize, which is antialiased.
    """

    size: int
    interpolation: Literal["bilinear", "bicubic"]

    def draw(self, n: int, generator: Generator | None = None) -> dict[str, Tensor]:
        """Draw for n images; ``flip`` (n,) bool says which are mirrored."""
        ...

    def boxes(self, params: dict[str, Tensor], height: int, width: int) -> tuple[Tensor, ...]:
        """Top, left, height and width (n,) in whole pixels, of images of one size."""
        ...


class ViewCrops:
    """Cuts V views out of an image.

    A box is resized as `torchvision.transforms.v2.functional.resized_crop` does, antialiased and
    rounded to uint8. Of a JPEG that is decoded at 1/2, 1/4 or 1/8 of its size, because every box
    has at least twice the pixels of its view there too, the box is rounded to whole pixels of that.

    Args:
        crops: That of each view.
        wanted: Its channels are those of the views.
        seed: Of the draws.
    """

    def __init__(self, crops: Sequence[Crop], wanted: ImageFormat, seed: int) -> None:
        self.wanted = wanted
        self.seed = seed
        self.shapes = [(wanted.channels, crop.size, crop.size) for crop in crops]
        # Views of one distribution are drawn together, which takes less time.
        self._alike: dict[int, tuple[Crop, list[int]]] = {}
        for view, crop in enumerate(crops):
            self._alike.setdefault(id(crop), (crop, []))[1].append(view)

    def cut(self, image: Any, name: str, row: int, *, order: int) -> list[Tensor]:
        """The views of one image.

        Args:
            image: As `sslkit.data.decode.to_uint8` takes it.
            name: What to call it in messages.
            row: The image's position in its source.
            order: Number of the epoch's order.

        Returns:
            V tensors ``(C, S_v, S_v)`` uint8.

        Raises:
            UnreadableImageError: If the image cannot be read.
            DataError: If it cannot be used.
        """
        if isinstance(image, Image.Image) and min(image.size) > 0:
            height, width = image.height, image.width
            boxes = self._draw(height, width, order, row)
            enough = max(
                size / min(box.height, box.width)
                for (_, _, size), box in zip(self.shapes, boxes, strict=True)
            )
            pixels = pil_to_uint8(image, name, enough=enough)
        else:
            pixels = to_uint8(image, name)
            height, width = pixels.shape[-2:]
            boxes = self._draw(height, width, order, row)
        shrunk = round(height / pixels.shape[-2])
        return [
            self._view(pixels, box, size, shrunk, name)
            for (_, _, size), box in zip(self.shapes, boxes, strict=True)
        ]

    def _draw(self, height: int, width: int, order: int, row: int) -> list["_Box"]:
        generator = counter_generator(_CROPS, self.seed, order, row)
        boxes: dict[int, _Box] = {}
        for crop, views in self._alike.values():
            params = crop.draw(len(views), generator)
            numbers = torch.stack(crop.boxes(params, height, width)).T.int().tolist()
            for view, box, mirrored in zip(views, numbers, params["flip"].tolist(), strict=True):
                boxes[view] = _Box(*box, mirrored=mirrored, interpolation=crop.interpolation)
        return [boxes[view] for view in sorted(boxes)]

    def _view(self, image: Tensor, box: "_Box", size: int, shrunk: int, name: str) -> Tensor:
        top, left = round(box.top / shrunk), round(box.left / shrunk)
        bottom = max(top + 1, round((box.top + box.height) / shrunk))
        right = max(left + 1, round((box.left + box.width) / shrunk))
        view = F.interpolate(
            image[None, :, top:bottom, left:right],
            (size, size),
            mode=box.interpolation,
            antialias=True,
        )[0]
        view = conform_channels(view, self.wanted, name)
        return view.flip(-1) if box.mirrored else view


class _Box(NamedTuple):
    """Where a view lies in its image, in pixels, and how it is cut."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool
    interpolation: str
