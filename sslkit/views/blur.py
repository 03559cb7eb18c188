"""Gaussian blur with a width per image, as a product with one matrix per image and axis."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from sslkit.views.draws import Draw, chosen, coin, uniform
from sslkit.views.operation import Operation, unit_float
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
        images = unit_float(images)
        c, h, w = images.shape[1:]
        radius = self.radius(h, w)
        index = chosen(params["apply"], images.device)
        sigma = params["sigma"].to(images.device, non_blocking=True)[index]
        columns = _blurring(sigma, radius, w)
        rows = columns if h == w else _blurring(sigma, radius, h)
        blurred = torch.bmm(images[index].view(-1, c * h, w), columns).view(-1, c, h, w)
        blurred = torch.matmul(rows.transpose(1, 2)[:, None], blurred)
        # Weighted means leave the range only by rounding, which the clamp undoes.
        return images.index_copy(0, index, blurred.clamp_(0, 1))


def _blurring(sigma: Tensor, radius: int, side: int) -> Tensor:
    """Matrices (n, side, side) for which ``x @ matrix`` blurs the rows of x, border mirrored.

    Entry (j, i) is the weight of pixel j in blurred pixel i. Mirroring the identity at its border
    and sliding a window along it says which tap of the kernel that is; taps that meet in one pixel
    add.
    """
    offset = torch.arange(-radius, radius + 1, device=sigma.device)
    taps = (offset / sigma[:, None]).square().div(-2).softmax(dim=1)
    identity = torch.eye(side, device=sigma.device)[None]
    windows = F.pad(identity, (radius, radius), mode="reflect").unfold(2, 2 * radius + 1, 1)
    return (taps @ windows.reshape(side * side, -1).T).view(-1, side, side)
