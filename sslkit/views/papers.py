"""The papers' view recipes, each a short composition of the same operations.

Every image is cropped, resized and mirrored, and jittered, turned grey, blurred and solarised with
some probability. The papers differ in how much of each, and in the order.
"""

from sslkit.views.chain import Jitter, alike, chain
from sslkit.views.views import Views


class SimCLRViews(Views):
    """SimCLR's two views (Chen et al. 2020, arXiv 2002.05709, appendix A).

    Crop (bicubic), mirror, jitter of 0.8 s for brightness, contrast and saturation and 0.2 s for
    hue at probability 0.8, grey at 0.2, blur at 0.5. All views have the same distribution. The
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
        views: How many views of each image; the paper has 2.
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
        views: int = 2,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        view = chain(
            size=size,
            crop_scale=crop_scale,
            interpolation="bicubic",
            jitter=Jitter(0.8, 0.8, 0.8, 0.2),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
        )
        super().__init__(alike(view, views), mean=mean, std=std)


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
        crop_scale: tuple[float, float] = (0.2, 1.0),
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
            order=("crop", "grayscale", "jitter"),
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
        crop_scale: Range of the crop's area, as a fraction of the image's.
        views: How many views of each image; the paper has 2.
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
        views: int = 2,
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
        )
        super().__init__(alike(view, views), mean=mean, std=std)


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
            chain(
                size=size,
                crop_scale=crop_scale,
                interpolation="bicubic",
                jitter=Jitter(0.4, 0.4, 0.2, 0.1),
                strength=strength,
                grayscale=grayscale,
                blur=blurred if blur else 0.0,
                solarize=solarized if solarize else 0.0,
            )
            for blurred, solarized in ((1.0, 0.0), (0.1, 0.2))
        )
        super().__init__([first, second], mean=mean, std=std)


class WMSEViews(Views):
    """W-MSE's two or four views (Ermolov et al. 2021, arXiv 2007.06346; code htdt/self-supervised).

    Colours first: jitter of 0.4 s for brightness, contrast and saturation and 0.1 s for hue at
    probability 0.8 and grey at 0.1, on the whole image; then a crop of at least a fifth of the area
    (bicubic) and mirror. All views have the same distribution. The defaults are those for CIFAR; on
    ImageNet the paper has ``size=224, strength=2, grayscale=0.2, blur=True, crop_scale=(0.08, 1)``.
    Channels are handled as in `SimCLRViews`.

    Args:
        views: How many views of each image; 2 or 4 in the paper.
        size: Side S of the views, in pixels.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur, at probability 0.5.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        mean: Per channel, of pixel values in [0, 1]; None takes the data's.
        std: Per channel, of pixel values in [0, 1]; None takes the data's.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        views: int = 2,
        size: int = 32,
        strength: float = 1.0,
        grayscale: float = 0.1,
        blur: bool = False,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        view = chain(
            size=size,
            crop_scale=crop_scale,
            interpolation="bicubic",
            jitter=Jitter(0.4, 0.4, 0.4, 0.1),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
            order=("jitter", "grayscale", "crop", "blur"),
        )
        super().__init__(alike(view, views), mean=mean, std=std)
