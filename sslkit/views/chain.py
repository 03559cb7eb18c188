"""The chain of operations that the papers' view recipes share."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import nn

from sslkit.views.blur import GaussianBlur
from sslkit.views.crop import RandomResizedCrop
from sslkit.views.grayscale import RandomGrayscale
from sslkit.views.jitter import ColorJitter
from sslkit.views.operation import Operation
from sslkit.views.resampling import Interpolation
from sslkit.views.solarize import Solarize
from sslkit.views.validation import Colour, check_probability, check_range, check_strength
from sslkit.views.view import View

Part = Literal["crop", "jitter", "grayscale", "blur", "solarize"]
Extra = Sequence[Operation | nn.Module] | None  # steps of the user's own
_ORDER: tuple[Part, ...] = ("crop", "jitter", "grayscale", "blur", "solarize")


class Jitter(NamedTuple):
    """Widths of brightness, contrast, saturation and hue at strength 1."""

    brightness: float
    contrast: float
    saturation: float
    hue: float


def chain(
    *,
    size: int,
    crop_scale: tuple[float, float],
    interpolation: Interpolation,
    jitter: Jitter,
    strength: float,
    grayscale: float,
    jitter_probability: float = 0.8,
    blur: float = 0.0,
    solarize: float = 0.0,
    order: Sequence[Part] = _ORDER,
    colour: Colour = "exact",
    before: Extra = None,
    after: Extra = None,
) -> View:
    """One view of a paper's recipe; what has strength or probability 0 is left out of it.

    Args:
        size: Side S of the view, in pixels.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        interpolation: Of the crop.
        jitter: Widths of the colour jitter at strength 1.
        strength: Factor on them.
        grayscale: Probability of turning grey.
        jitter_probability: Of an image's being jittered.
        blur: Probability of blurring.
        solarize: Probability of solarising.
        order: In which the parts apply; the mirror image is part of the crop.
        colour: Arithmetic of the jitter.
        before: What comes before all of them.
        after: What comes after them.

    Raises:
        ValueError: If a number is out of its range.
    """
    check_range("crop_scale", crop_scale, above=0, up_to=1)
    check_strength(strength, hue=jitter.hue)
    check_probability("grayscale", grayscale)
    parts: dict[Part, Operation] = {
        "crop": RandomResizedCrop(
            size=size, scale=crop_scale, interpolation=interpolation, flip=0.5
        )
    }
    if strength > 0:
        brightness, contrast, saturation, hue = (strength * width for width in jitter)
        parts["jitter"] = ColorJitter(
            brightness=brightness,
            contrast=contrast,
            saturation=saturation,
            hue=hue,
            probability=jitter_probability,
            colour=colour,
        )
    if grayscale > 0:
        parts["grayscale"] = RandomGrayscale(probability=grayscale)
    if blur > 0:
        parts["blur"] = GaussianBlur(probability=blur)
    if solarize > 0:
        parts["solarize"] = Solarize(probability=solarize)
    return View(
        [*(before or ()), *(parts[part] for part in order if part in parts), *(after or ())]
    )


def alike(view: View, views: int) -> list[View]:
    """Several views of one distribution; each still has draws of its own.

    Raises:
        ValueError: If there is to be none.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1 view of each image, got {views}.")
    return [view] * views
