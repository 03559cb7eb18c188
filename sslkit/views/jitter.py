"""Colour jitter: brightness, contrast, saturation and hue in a random order, per image."""

import torch
from torch import Generator, Tensor

from sslkit.views.colour import blend, check_colour_channels, rotate_hue
from sslkit.views.draws import Draw, coin, uniform
from sslkit.views.operation import Operation, unit_float
from sslkit.views.validation import check_probability

_FACTORS = ("brightness", "contrast", "saturation", "hue")
_CONTRAST, _SATURATION, _HUE = 1, 2, 3


class ColorJitter(Operation):
    """Change brightness, contrast, saturation and hue by random factors, in random order.

    Every image has its own factors and its own order, and is clamped to [0, 1] after each change,
    as torchvision's ``ColorJitter`` does it. The defaults are SimCLR's at strength 1.

    Grey images (one channel) are their own greyscale, so saturation and hue leave them as they are:
    only brightness and contrast change.

    Args:
        brightness: b; the factor is uniform in [max(0, 1 - b), 1 + b].
        contrast: The same, towards the mean grey of the image.
        saturation: The same, towards the greys of the image.
        hue: h in [0, 1/2]; turns of the colour circle are uniform in [-h, h].
        probability: Of each image's being changed at all.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        brightness: float = 0.8,
        contrast: float = 0.8,
        saturation: float = 0.8,
        hue: float = 0.2,
        probability: float = 0.8,
    ) -> None:
        for name, value in (
            ("brightness", brightness),
            ("contrast", contrast),
            ("saturation", saturation),
        ):
            if value < 0:
                raise ValueError(f"{name} must be at least 0 (no change), got {value}.")
        if not 0 <= hue <= 0.5:
            raise ValueError(
                f"hue must be between 0 and 0.5 turns of the colour circle (half a turn either way "
                f"reaches every colour), got {hue}."
            )
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.probability = check_probability("probability", probability)

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw who is changed, how much, and in which order.

        Returns:
            ``apply`` (n,) bool; ``brightness``, ``contrast``, ``saturation`` (n,) factors; ``hue``
            (n,) turns; ``order`` (n, 4) int64, per image a permutation of 0..3, which stand for
            these four.
        """
        params = {"apply": coin(n, self.probability, generator)}
        for name in _FACTORS[:3]:
            width = getattr(self, name)
            params[name] = uniform(n, low=max(0.0, 1 - width), high=1 + width, generator=generator)
        params["hue"] = uniform(n, low=-self.hue, high=self.hue, generator=generator)
        params["order"] = uniform(n, 4, generator=generator).argsort(dim=1)
        return params

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Change the chosen images: (B, C, H, W) -> (B, C, H, W) float32 in [0, 1].

        Raises:
            ValueError: If C is neither 1 nor 3.
        """
        check_colour_channels(
            "ColorJitter", images, "Leave the jitter out: strength=0 in a recipe."
        )
        images = unit_float(images)
        device = images.device
        index = params["apply"].nonzero().flatten()
        factors = torch.stack([params[name] for name in _FACTORS], dim=1)[index]
        order = params["order"][index]
        index = index.to(device, non_blocking=True)
        changed = images[index]
        for operation in order.unbind(dim=1):
            factor = factors.gather(1, operation[:, None]).squeeze(1)
            is_hue = operation == _HUE
            # Images whose turn it is to change hue pass the blend with factor 1, unchanged: cheaper
            # than cutting the batch into four at every position.
            changed = blend(
                changed,
                factor.masked_fill(is_hue, 1).to(device, non_blocking=True),
                to_grey=(operation == _SATURATION).float().to(device, non_blocking=True),
                to_mean=(operation == _CONTRAST).float().to(device, non_blocking=True),
            )
            if self.hue > 0 and images.shape[1] == 3:
                turned = is_hue.nonzero().flatten()
                turns = factors[turned, _HUE].to(device, non_blocking=True)
                turned = turned.to(device, non_blocking=True)
                changed.index_copy_(0, turned, rotate_hue(changed[turned], turns))
        return images.index_copy(0, index, changed)
