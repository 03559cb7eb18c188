"""Colour jitter: brightness, contrast, saturation and hue in a random order, per image."""

import torch
from torch import Generator, Tensor

from sslkit.views.colour import blend_, rotate_hue_
from sslkit.views.colour_map import ColourMap, colour_change
from sslkit.views.draws import Draw, coin, uniform
from sslkit.views.pieces import chosen, put
from sslkit.views.recolouring import Recolouring
from sslkit.views.validation import Colour, check_colour, check_probability

_FACTORS = ("brightness", "contrast", "saturation", "hue")
_CONTRAST, _SATURATION, _HUE = 1, 2, 3


class ColorJitter(Recolouring):
    """Change brightness, contrast, saturation and hue by random factors, in random order.

    Every image has its own factors and its own order. The defaults are SimCLR's at strength 1.

    With ``colour="exact"`` each change is torchvision's, hue is turned in HSV, and the image is
    clamped to [0, 1] after each. With ``"fast"`` all four are one affine map of RGB: hue is turned
    in YIQ, which keeps the luma, and the image is clamped once, at the end. The draws are the same.

    Grey images (one channel) are their own greyscale, so saturation and hue leave them as they are:
    only brightness and contrast change.

    Args:
        brightness: b; the factor is uniform in [max(0, 1 - b), 1 + b].
        contrast: The same, towards the mean grey of the image.
        saturation: The same, towards the greys of the image.
        hue: h in [0, 1/2]; turns of the colour circle are uniform in [-h, h].
        probability: Of an image's being changed at all.
        colour: ``exact`` or ``fast``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    remedy = "Leave the jitter out: strength=0 in a recipe."

    def __init__(
        self,
        *,
        brightness: float = 0.8,
        contrast: float = 0.8,
        saturation: float = 0.8,
        hue: float = 0.2,
        probability: float = 0.8,
        colour: Colour = "exact",
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
        self.affine = check_colour(colour) == "fast"

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

    def colours(self, params: Draw) -> ColourMap:
        """The four changes as one map."""
        return colour_change(*(params[name] for name in _FACTORS)).where(params["apply"])

    def recolour_(self, images: Tensor, params: Draw) -> Tensor:
        """Change the chosen images: (B, C, H, W), overwritten, C = 1 or 3."""
        if self.affine:
            return self.colours(params).apply(images)
        # The changes one after another, on images that turn hue at the same position: it is the one
        # change that has a formula of its own.
        order, apply = params["order"], params["apply"]
        factors = torch.stack([params[name] for name in _FACTORS], dim=1)
        is_hue = order == _HUE
        groups: list[tuple[int | None, Tensor]] = [(None, apply)]
        if self.hue > 0 and images.shape[1] == 3:
            groups = [(k, apply & turned) for k, turned in enumerate(is_hue.unbind(1))]
        else:  # a blend with factor 1 changes nothing
            factors = factors.masked_fill(torch.arange(4, device=factors.device) == _HUE, 1)
        steps = [factors.gather(1, order), order == _SATURATION, order == _CONTRAST]
        steps = torch.stack([x.float() for x in steps], dim=2)
        steps = steps.to(images.device, non_blocking=True)  # (B, 4, 3)
        for hue_at, group in groups:
            for piece in chosen(group, images):
                changed = images.index_select(0, piece)
                for k, step in enumerate(steps.index_select(0, piece).unbind(1)):
                    factor, to_grey, to_mean = step.unbind(1)
                    if k == hue_at:
                        rotate_hue_(changed, factor)
                    else:
                        blend_(changed, factor, to_grey=to_grey, to_mean=to_mean)
                put(images, piece, changed)
        return images

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """The factors, in the order in which they apply, and the hue in degrees."""
        if not params["apply"][row]:
            return ""
        names = [_FACTORS[i] for i in params["order"][row].tolist()]
        values = {name: params[name][row].item() for name in names if getattr(self, name) > 0}
        return ", ".join(
            f"hue {360 * value:+.0f}°" if name == "hue" else f"{name} x{value:.2f}"
            for name, value in values.items()
        )
