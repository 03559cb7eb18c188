"""The random resized crop, with the mirror image folded in.

n images or B images in a batch, C channels, H x W pixels, S the side of the view.
"""

import math

import torch
from torch import Generator, Tensor

from sslkit.views.cropping import Boxes, resized_boxes
from sslkit.views.draws import Draw, coin, uniform
from sslkit.views.operation import Operation
from sslkit.views.resampling import Interpolation
from sslkit.views.validation import check_probability, check_range, check_size


class RandomResizedCrop(Operation):
    """Cut a box of random area, shape and place from each image and resize it to a square.

    The rule is torchvision's: ten times, an area fraction uniform in `scale` and an aspect ratio
    log-uniform in `ratio` are tried; the first box that fits the image is placed uniformly; if none
    fits, the largest centred box within `ratio` is taken. Resizing is antialiased.

    Args:
        size: Side S of the view, in pixels.
        scale: Range of the box's area, as a fraction of the image's.
        ratio: Range of the box's width over its height.
        interpolation: Resampling kernel, ``bicubic`` or ``bilinear``. Cubic overshoots are clamped.
        flip: Probability of a left-right mirror image, which costs nothing here.

    Raises:
        ValueError: If an argument is out of its range.
    """

    attempts = 10

    def __init__(
        self,
        *,
        size: int,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: Interpolation = "bicubic",
        flip: float = 0.0,
    ) -> None:
        self.size = check_size(size)
        self.scale = check_range("scale", scale, above=0, up_to=1)
        self.ratio = check_range("ratio", ratio, above=0, up_to=math.inf)
        if interpolation not in ("bilinear", "bicubic"):
            raise ValueError(
                f"interpolation must be 'bilinear' or 'bicubic', got {interpolation!r}."
            )
        self.interpolation: Interpolation = interpolation
        self.flip = check_probability("flip", flip)

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw candidate boxes without knowing the images' size.

        Returns:
            ``area`` and ``ratio`` (n, 10): the attempts' area fraction and width / height; ``top``
            and ``left`` (n,): place among those that the box allows, in [0, 1); ``flip`` (n,) bool.
        """
        low, high = self.scale
        area = uniform(n, self.attempts, low=low, high=high, generator=generator)
        low, high = map(math.log, self.ratio)
        ratio = uniform(n, self.attempts, low=low, high=high, generator=generator).exp_()
        top, left = uniform(2, n, generator=generator)
        flip = coin(n, self.flip, generator)
        return {"area": area, "ratio": ratio, "top": top, "left": left, "flip": flip}

    def boxes(self, params: Draw, height: int, width: int) -> tuple[Tensor, ...]:
        """The boxes that the draws mean for images of a given size.

        Args:
            params: What `draw` returned.
            height: H of the images.
            width: W of the images.

        Returns:
            top, left, box height, box width, each (n,) float32 holding whole numbers.
        """
        area = params["area"] * (height * width)
        tried_w = (area * params["ratio"]).sqrt().round()
        tried_h = (area / params["ratio"]).sqrt().round()
        fits = (tried_w > 0) & (tried_w <= width) & (tried_h > 0) & (tried_h <= height)
        first = fits.int().argmax(dim=1, keepdim=True)  # argmax returns the first of equals
        none_fits = ~fits.any(dim=1)
        last_h, last_w = self._largest(height, width)
        box_h = tried_h.gather(1, first).squeeze(1).masked_fill(none_fits, last_h)
        box_w = tried_w.gather(1, first).squeeze(1).masked_fill(none_fits, last_w)

        room_h, room_w = height - box_h, width - box_w
        # A uniform number just below 1 can round up to the next place, which does not exist.
        top = (params["top"] * (room_h + 1)).floor_().minimum(room_h)
        left = (params["left"] * (room_w + 1)).floor_().minimum(room_w)
        top = torch.where(none_fits, (room_h / 2).floor(), top)
        left = torch.where(none_fits, (room_w / 2).floor(), left)
        return top, left, box_h, box_w

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Crop, resize and mirror: (B, C, H, W) -> (B, C, S, S) float32 in [0, 1]."""
        boxes = Boxes(*self.boxes(params, *images.shape[-2:]), flip=params["flip"])
        return resized_boxes(images, boxes, self.size, self.interpolation)

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """The box, and whether it is mirrored."""
        one = {name: value[row : row + 1] for name, value in params.items()}
        top, left, box_h, box_w = (int(x) for x in self.boxes(one, height, width))
        mirrored = ", mirrored" if params["flip"][row] else ""
        return f"{box_w}x{box_h} at ({left}, {top}){mirrored}"

    def _largest(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the largest box whose shape is within `ratio`."""
        narrowest, widest = self.ratio
        if width < narrowest * height:
            return max(1, round(width / narrowest)), width
        if width > widest * height:
            return height, max(1, round(height * widest))
        return height, width
