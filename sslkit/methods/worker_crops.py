"""Views that workers crop: what they are told, and what is left to be done on the device.

B images, V views, S_v pixels a side of view v.
"""

from typing import Any

from torch import Generator, Tensor, nn

from sslkit.views import Operation, RandomResizedCrop, View, Views


class AfterCrop(nn.Module):
    """The operations of views that follow the crop, with which each begins.

    Args:
        views: With the data's statistics.
    """

    def __init__(self, views: Views) -> None:
        super().__init__()
        mean, std = (None if x is None else x.tolist() for x in (views.mean, views.std))
        self.views = nn.ModuleList(
            Views([View([_Cropped(view.size), *view.operations[1:]])], mean=mean, std=std)
            for view in views.views
        ).to(views.dtype)

    def forward(self, crops: list[Tensor], generator: Generator) -> list[Tensor]:
        """V tensors (B,C,S_v,S_v) uint8 -> as many in the dtype of the views, normalised.

        Args:
            crops: One for each view.
            generator: Draws for the operations that are left.
        """
        return [view(crop, generator)[0] for view, crop in zip(self.views, crops, strict=True)]


class _Cropped(Operation):
    """Stands where the crop was: an image is its own view.

    Args:
        size: Side of the view.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def draw(self, n: int, generator: Generator | None = None) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def apply(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The images as float32 in [0, 1]."""
        return images.div(255)


def share_crops(views: Views, data: Any) -> AfterCrop | None:
    """Tell a data module whose workers crop what to cut out for each view.

    Args:
        views: The views, which know how crops are drawn.
        data: The run's data module, or what is none of ours.

    Returns:
        What makes views of the crops; None if workers do not crop.

    Raises:
        ValueError: If a view does not begin with a crop.
    """
    if getattr(data, "crop", None) != "worker":
        return None
    crops = []
    for number, view in enumerate(views.views, start=1):
        first = view.operations[0]
        if not isinstance(first, RandomResizedCrop):
            raise ValueError(
                f"`data.crop` is worker, but view {number} begins with {type(first).__name__}: "
                "workers can cut out only what begins with a RandomResizedCrop. Put it first, or "
                "set `data.crop` to device."
            )
        crops.append(first)
    data.take_crops(crops)
    return AfterCrop(views)
