"""The papers' view recipes, each a short composition of the same operations.

Every image is cropped, resized and mirrored, then jittered, turned grey, blurred and solarised with
some probability. The papers differ in how much of each.
"""

from typing import NamedTuple

from sslkit.views.blur import GaussianBlur
from sslkit.views.crop import RandomResizedCrop
from sslkit.views.grayscale import RandomGrayscale
from sslkit.views.jitter import ColorJitter
from sslkit.views.operation import Operation
from sslkit.views.resampling import Interpolation
from sslkit.views.solarize import Solarize
from sslkit.views.validation import check_probability, check_range, check_strength
from sslkit.views.view import View
from sslkit.views.views import Views


class _Jitter(NamedTuple):
    """Widths of brightness, contrast, saturation and hue at strength 1."""

    brightness: float
    contrast: float
    saturation: float
    hue: float


def _view(
    *,
    size: int,
    crop_scale: tuple[float, float],
    interpolation: Interpolation,
    jitter: _Jitter,
    strength: float,
    grayscale: float,
    blur: float = 0.0,
    solarize: float = 0.0,
) -> View:
    """The chain that all recipes share; what has strength or probability 0 is left out of it."""
    check_range("crop_scale", crop_scale, above=0, up_to=1)
    check_strength(strength, hue=jitter.hue)
    check_probability("grayscale", grayscale)
    operations: list[Operation] = [
        RandomResizedCrop(size=size, scale=crop_scale, interpolation=interpolation, flip=0.5)
    ]
    if strength > 0:
        brightness, contrast, saturation, hue = (strength * width for width in jitter)
        operations.append(
            ColorJitter(
                brightness=brightness,
                contrast=contrast,
                saturation=saturation,
                hue=hue,
                probability=0.8,
            )
        )
    if grayscale > 0:
        operations.append(RandomGrayscale(probability=grayscale))
    if blur > 0:
        operations.append(GaussianBlur(probability=blur))
    if solarize > 0:
        operations.append(Solarize(probability=solarize))
    return View(operations)


class SimCLRViews(Views):
    """SimCLR's two views (Chen et al. 2020, arXiv 2002.05709, appendix A).

    Crop (bicubic), mirror, jitter of 0.8 s for brightness, contrast and saturation and 0.2 s for
    hue at probability 0.8, grey at 0.2, blur at 0.5. Both views have the same distribution. The
    colour changes are torchvision's; the paper's CIFAR-10 setting is ``size=32, strength=0.5,
    blur=False``.

    With more than 3 channels, or 2, set ``strength=0, grayscale=0``: colour means nothing there.
    Grey images (one channel) work as they are.

    Args:
        size: Side S of the views, in pixels.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        mean: Per channel, of pixel values in [0, 1]; None takes the data's.
        std: Per channel, of pixel values in [0, 1]; None takes the data's.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        strength: float = 1.0,
        grayscale: float = 0.2,
        blur: bool = True,
        crop_scale: tuple[float, float] = (0.08, 1.0),
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        view = _view(
            size=size,
            crop_scale=crop_scale,
            interpolation="bicubic",
            jitter=_Jitter(0.8, 0.8, 0.8, 0.2),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
        )
        super().__init__([view, view], mean=mean, std=std)


class MoCoV2Views(Views):
    """MoCo v2's two views (Chen et al. 2020, arXiv 2003.04297).

    Crop of at least a fifth of the area (bilinear), mirror, jitter of 0.4 s for brightness,
    contrast and saturation and 0.1 s for hue at probability 0.8, grey at 0.2, blur at 0.5. Both
    views have the same distribution. Channels are handled as in `SimCLRViews`.

    Args:
        size: Side S of the views, in pixels.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        mean: Per channel, of pixel values in [0, 1]; None takes the data's.
        std: Per channel, of pixel values in [0, 1]; None takes the data's.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        strength: float = 1.0,
        grayscale: float = 0.2,
        blur: bool = True,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        view = _view(
            size=size,
            crop_scale=crop_scale,
            interpolation="bilinear",
            jitter=_Jitter(0.4, 0.4, 0.4, 0.1),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
        )
        super().__init__([view, view], mean=mean, std=std)


class BYOLViews(Views):
    """BYOL's two views, which differ (Grill et al. 2020, arXiv 2006.07733, appendix B).

    Crop (bicubic), mirror, jitter of 0.4 s for brightness and contrast, 0.2 s for saturation and
    0.1 s for hue at probability 0.8, grey at 0.2. View 1 is always blurred and never solarised;
    view 2 is blurred at probability 0.1 and solarised at 0.2. Barlow Twins and MoCo v3 use the same
    pair. Channels are handled as in `SimCLRViews`.

    Args:
        size: Side S of the views, in pixels.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur.
        solarize: Whether to solarise.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        mean: Per channel, of pixel values in [0, 1]; None takes the data's.
        std: Per channel, of pixel values in [0, 1]; None takes the data's.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        strength: float = 1.0,
        grayscale: float = 0.2,
        blur: bool = True,
        solarize: bool = True,
        crop_scale: tuple[float, float] = (0.08, 1.0),
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        first, second = (
            _view(
                size=size,
                crop_scale=crop_scale,
                interpolation="bicubic",
                jitter=_Jitter(0.4, 0.4, 0.2, 0.1),
                strength=strength,
                grayscale=grayscale,
                blur=blurred if blur else 0.0,
                solarize=solarized if solarize else 0.0,
            )
            for blurred, solarized in ((1.0, 0.0), (0.1, 0.2))
        )
        super().__init__([first, second], mean=mean, std=std)
