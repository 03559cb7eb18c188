"""BYOL's pair of views, which Barlow Twins and MoCo v3 use too."""

from collections.abc import Sequence

from torch import nn

from sslkit.views.chain import Jitter, chain
from sslkit.views.operation import Operation
from sslkit.views.validation import Colour
from sslkit.views.views import Views


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
        solarize: bool = True,
        crop_scale: tuple[float, float] = (0.08, 1.0),
        colour: Colour = "exact",
        before: Sequence[Operation | nn.Module] | None = None,
        after: Sequence[Operation | nn.Module] | None = None,
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
                colour=colour,
                before=before,
                after=after,
            )
            for blurred, solarized in ((1.0, 0.0), (0.1, 0.2))
        )
        super().__init__([first, second], mean=mean, std=std)
