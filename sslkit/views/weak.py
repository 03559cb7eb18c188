"""The one weak view that labels are learned from: a crop and its mirror image, colours as they are.

S is the side of the view.
"""

from sslkit.views.crop import RandomResizedCrop
from sslkit.views.resampling import Interpolation
from sslkit.views.view import View
from sslkit.views.views import Views


class WeakViews(Views):
    """One random resized crop of each image, mirrored at probability 0.5, and nothing else.

    What linear probes and fine-tuning are published with: MoCo's code (bilinear) and SimCLR's
    (Chen et al. 2020, arXiv 2002.05709, appendix B.5; bicubic), both with at least 8 % of the area.

    Args:
        size: Side S of the view, in pixels.
        crop_scale: Range of the crop's area, as a fraction of the image's.
        interpolation: Of the crop.
        mean: Per channel, of pixel values in [0, 1]; None takes the encoder's or the data's.
        std: Per channel, of pixel values in [0, 1]; None takes the encoder's or the data's.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        crop_scale: tuple[float, float] = (0.08, 1.0),
        interpolation: Interpolation = "bilinear",
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        crop = RandomResizedCrop(size=size, scale=crop_scale, interpolation=interpolation, flip=0.5)
        super().__init__([View([crop])], mean=mean, std=std)
