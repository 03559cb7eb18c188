"""The left-right mirror image, for views that do not crop (a crop folds it in for nothing)."""

from torch import Generator, Tensor

from sslkit.views.draws import Draw, coin
from sslkit.views.operation import Operation, own_float
from sslkit.views.pieces import chosen, put
from sslkit.views.validation import check_probability


class HorizontalFlip(Operation):
    """Mirror an image left to right.

    Args:
        probability: Of each image's mirroring.

    Raises:
        ValueError: If `probability` is outside [0, 1].
    """

    def __init__(self, *, probability: float = 0.5) -> None:
        self.probability = check_probability("probability", probability)

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``apply`` (n,) bool."""
        return {"apply": coin(n, self.probability, generator)}

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Mirror the chosen images: (B, C, H, W) -> (B, C, H, W) float32."""
        return self.apply_(own_float(images), params)

    def apply_(self, images: Tensor, params: Draw) -> Tensor:
        """The same, in place."""
        for piece in chosen(params["apply"], images):
            put(images, piece, images.index_select(0, piece).flip(-1))
        return images

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """Whether it is mirrored."""
        return "mirrored" if params["apply"][row] else ""
