"""Multi-crop: two large views and several small ones."""

from collections.abc import Sequence

from torch import nn

from sslkit.views.chain import Jitter, alike, chain
from sslkit.views.operation import Operation
from sslkit.views.resampling import Interpolation
from sslkit.views.validation import Colour
from sslkit.views.views import Views


class MultiCropViews(Views):
    """SwAV's multi-crop (Caron et al. 2020, arXiv 2006.09882; numbers of facebookresearch/swav).

    Two large views of at least 14 % of the area, then small ones of less, at a smaller size: they
    see a part, and cost little to encode. Jitter of 0.8 s for brightness, contrast and saturation
    and 0.2 s for hue at probability 0.8, grey at 0.2, blur at 0.5. DINO (arXiv 2104.14294) has
    ``crop_scale=(0.4, 1), small_crop_scale=(0.05, 0.4), small_views=8, interpolation="bicubic"``.
    Channels are handled as in `SimCLRViews`.

    Large views come first, so that ``Routes(online=tuple(range(2 + n)), target=(0, 1))`` sends the
    small ones through the online branch only, as `BYOL` does; `WMSE` compares all of them, and
    methods over two views leave the small ones out. The encoder must take both sizes.

    Args:
        size: Side of the large views, in pixels.
        small_size: Side of the small views.
        small_views: n, how many of them.
        strength: s, of the colour jitter; 0 leaves it out.
        grayscale: Probability of turning grey; 0 leaves it out.
        blur: Whether to blur.
        solarize: Whether to solarise too, at probability 0.2; the paper does not.
        crop_scale: Range of a large crop's area, as a fraction of the image's.
        small_crop_scale: The same of a small crop.
        interpolation: Of the crops.
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
        small_size: int = 96,
        small_views: int = 6,
        strength: float = 1.0,
        grayscale: float = 0.2,
        blur: bool = True,
        solarize: bool = False,
        crop_scale: tuple[float, float] = (0.14, 1.0),
        small_crop_scale: tuple[float, float] = (0.05, 0.14),
        interpolation: Interpolation = "bilinear",
        colour: Colour = "exact",
        before: Sequence[Operation | nn.Module] | None = None,
        after: Sequence[Operation | nn.Module] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        if small_views < 1:
            raise ValueError(
                f"small_views must be at least 1, got {small_views}: without small views, use "
                "SimCLRViews."
            )
        large, small = (
            chain(
                size=side,
                crop_scale=scale,
                interpolation=interpolation,
                jitter=Jitter(0.8, 0.8, 0.8, 0.2),
                strength=strength,
                grayscale=grayscale,
                blur=0.5 if blur else 0.0,
                solarize=0.2 if solarize else 0.0,
                colour=colour,
                before=before,
                after=after,
            )
            for side, scale in ((size, crop_scale), (small_size, small_crop_scale))
        )
        super().__init__([*alike(large, 2), *alike(small, small_views)], mean=mean, std=std)
