"""Gaussian blur with a width per image."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from sslkit.views.draws import Draw, coin, uniform
from sslkit.views.operation import Operation, own_float
from sslkit.views.pieces import chosen, put
from sslkit.views.separable import Taps, mapped
from sslkit.views.validation import check_probability, check_range


class GaussianBlur(Operation):
    """Blur an image with a Gaussian of random width, mirrored at the border (as torchvision).

    Args:
        probability: Of each image's being blurred.
        sigma: Range of the Gaussian's standard deviation, in pixels.
        kernel: Side of the kernel as a fraction of the image's shorter side, rounded down and made
            odd, at least 3 pixels: 23 of 224, 9 of 96, 3 of 32 at SimCLR's 0.1.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        probability: float = 0.5,
        sigma: tuple[float, float] = (0.1, 2.0),
        kernel: float = 0.1,
    ) -> None:
        self.probability = check_probability("probability", probability)
        self.sigma = check_range("sigma", sigma, above=0, up_to=math.inf)
        if not 0 < kernel <= 1:
            raise ValueError(
                f"kernel must be above 0 and at most 1, a fraction of the side, got {kernel}."
            )
        self.kernel = kernel

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``apply`` (n,) bool and ``sigma`` (n,) pixels."""
        low, high = self.sigma
        apply = coin(n, self.probability, generator)
        return {"apply": apply, "sigma": uniform(n, low=low, high=high, generator=generator)}

    def radius(self, height: int, width: int) -> int:
        """Pixels that the kernel reaches from its centre, for images of this size."""
        side = min(height, width)
        # The border can mirror no more than the rest of the image.
        return min(max(1, int(side * self.kernel) // 2), side - 1)

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Blur the chosen images: (B, C, H, W) -> (B, C, H, W) float32 in [0, 1]."""
        return self.apply_(own_float(images), params)

    def apply_(self, images: Tensor, params: Draw) -> Tensor:
        """The same, in place."""
        h, w = images.shape[-2:]
        radius = self.radius(h, w)
        sigma = params["sigma"].to(images.device, non_blocking=True)
        for piece in chosen(params["apply"], images):
            columns = blurring_taps(sigma.index_select(0, piece), radius, w)
            rows = columns if h == w else blurring_taps(sigma.index_select(0, piece), radius, h)
            blurred = mapped(images.index_select(0, piece), rows, columns)
            # Weighted means leave the range only by rounding, which the clamp undoes.
            put(images, piece, blurred.clamp_(0, 1))
        return images

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """The width of the Gaussian in pixels."""
        return f"blur {params['sigma'][row]:.2f} px" if params["apply"][row] else ""


def blurring_taps(sigma: Tensor, radius: int, side: int) -> Taps:
    """What blurred points are made of, where the border is a mirror (without repeating itself).

    Args:
        sigma: (n,) widths of the Gaussians in pixels.
        radius: Pixels that a kernel reaches from its centre, below `side`.
        side: Points of the axis.

    Returns:
        At most 2 radius + 1 pixels for each point, with weights that sum to 1.
    """
    device = sigma.device
    offset = torch.arange(-radius, radius + 1, device=device)
    kernel = (offset / sigma[:, None]).square().div(-2).softmax(dim=1)
    kernel = F.pad(kernel[:, radius:], (0, 1))  # by distance, and 0 for what is out of reach
    count = min(2 * radius + 1, side)
    point = torch.arange(side, device=device)[:, None]
    pixel = (point - radius).clamp(0, side - count) + torch.arange(count, device=device)

    def reached(distance: Tensor) -> Tensor:
        distance = distance.abs().clamp(max=radius + 1).flatten()
        return kernel.index_select(1, distance).view(-1, side, count)

    # A pixel is seen straight, and mirrored in either border unless it is the border.
    weight = reached(pixel - point)
    weight += reached(pixel + point) * (pixel > 0)
    weight += reached(2 * (side - 1) - pixel - point) * (pixel < side - 1)
    return Taps(pixel.int().expand(len(sigma), -1, -1), weight)
