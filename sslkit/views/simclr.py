"""SimCLR's views."""

from collections.abc import Sequence

from torch import nn

from sslkit.views.chain import Jitter, alike, chain
from sslkit.views.operation import Operation
from sslkit.views.validation import Colour
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
        crop_scale: tuple[float, float] = (0.08, 1.0),
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
            interpolation="bicubic",
            jitter=Jitter(0.8, 0.8, 0.8, 0.2),
            strength=strength,
            grayscale=grayscale,
            blur=0.5 if blur else 0.0,
            solarize=0.2 if solarize else 0.0,
            colour=colour,
            before=before,
            after=after,
        )
        super().__init__(alike(view, views), mean=mean, std=std)
