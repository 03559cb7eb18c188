"""The views of MoCo v1 and v2."""

from collections.abc import Sequence

from torch import nn

from sslkit.views.chain import Jitter, alike, chain
from sslkit.views.operation import Operation
from sslkit.views.validation import Colour
from sslkit.views.views import Views


class MoCoV1Views(Views):
    """MoCo v1's two views (He et al. 2020, arXiv 1911.05722; numbers of facebookresearch/moco).

    Those of instance discrimination (Wu et al. 2018, arXiv 1805.01978): crop of at least a fifth of
    the area (bilinear) and mirror, grey at probability 0.2, then always a jitter of 0.4 s for
    brightness, contrast, saturation and hue; no blur. Both views have the same distribution.
    Channels are handled as in `SimCLRViews`.

    Args:
        size: Side S of the views, in pixels.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur too, at probability 0.5; the paper does not.
        solarize: Whether to solarise too, at probability 0.2; the paper does not.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        colour: ``exact``, torchvision's arithmetic, or ``fast``, see `ColorJitter`.
        before: Your own steps before these: an `Operation`, or a module of kornia's.
        after: Your own steps after them.
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
        blur: bool = False,
        solarize: bool = False,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        colour: Colour = "exact",
        before: Sequence[Operation | nn.Module] | None = None,
        after: Sequence[Operation | nn.Module] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        view = chain(
            size=size,
            crop_scale=crop_scale,
            interpolation="bilinear",
            jitter=Jitter(0.4, 0.4, 0.4, 0.4),
            jitter_probability=1.0,
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
            solarize=0.2 if solarize else 0.0,
            order=("crop", "grayscale", "jitter", "blur", "solarize"),
            colour=colour,
            before=before,
            after=after,
        )
        super().__init__([view, view], mean=mean, std=std)


class MoCoV2Views(Views):
    """MoCo v2's two views (Chen et al. 2020, arXiv 2003.04297).

    Crop of at least a fifth of the area (bilinear), mirror, jitter of 0.4 s for brightness,
    contrast and saturation and 0.1 s for hue at probability 0.8, grey at 0.2, blur at 0.5. All
    views have the same distribution. Channels are handled as in `SimCLRViews`.

    Args:
        size: Side S of the views, in pixels.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur.
        solarize: Whether to solarise too, at probability 0.2; the paper does not.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        views: How many views of each image; the paper has 2.
        colour: ``exact``, torchvision's arithmetic, or ``fast``, see `ColorJitter`.
        before: Your own steps before these: an `Operation`, or a module of kornia's.
        after: Your own steps after them.
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
        solarize: bool = False,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        views: int = 2,
        colour: Colour = "exact",
        before: Sequence[Operation | nn.Module] | None = None,
        after: Sequence[Operation | nn.Module] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        view = chain(
            size=size,
            crop_scale=crop_scale,
            interpolation="bilinear",
            jitter=Jitter(0.4, 0.4, 0.4, 0.1),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
            solarize=0.2 if solarize else 0.0,
            colour=colour,
            before=before,
            after=after,
        )
        super().__init__(alike(view, views), mean=mean, std=std)
