"""W-MSE's views."""

from collections.abc import Sequence

from torch import nn

from sslkit.views.chain import Jitter, alike, chain
from sslkit.views.operation import Operation
from sslkit.views.validation import Colour
from sslkit.views.views import Views


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
        views: int = 2,
        size: int = 32,
        strength: float = 1.0,
        grayscale: float = 0.1,
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
            interpolation="bicubic",
            jitter=Jitter(0.4, 0.4, 0.4, 0.1),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
            solarize=0.2 if solarize else 0.0,
            order=("jitter", "grayscale", "crop", "blur", "solarize"),
            colour=colour,
            before=before,
            after=after,
        )
        super().__init__(alike(view, views), mean=mean, std=std)
