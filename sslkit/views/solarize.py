"""Random solarisation: bright pixels are inverted."""

from kornia.enhance import solarize
from torch import Generator, Tensor

from sslkit.views.draws import Draw, coin
from sslkit.views.operation import Operation, own_float
from sslkit.views.pieces import chosen, put
from sslkit.views.validation import check_probability


class Solarize(Operation):
    """Replace every value x at or above a threshold by 1 - x.

    Args:
        probability: Of each image's being solarised.
        threshold: In [0, 1]; 0.5 is 128 of 255.

    Raises:
        ValueError: If an argument is outside [0, 1].
    """

    def __init__(self, *, probability: float = 0.2, threshold: float = 0.5) -> None:
        self.probability = check_probability("probability", probability)
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be between 0 and 1, got {threshold}.")
        self.threshold = float(threshold)

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``apply`` (n,) bool."""
        return {"apply": coin(n, self.probability, generator)}

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Solarise the chosen images: (B, C, H, W) -> (B, C, H, W) float32 in [0, 1]."""
        return self.apply_(own_float(images), params)

    def apply_(self, images: Tensor, params: Draw) -> Tensor:
        """The same, in place."""
        for piece in chosen(params["apply"], images):
            part = images.index_select(0, piece)
            put(images, piece, solarize(part, thresholds=self.threshold))
        return images

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """Whether it is solarised."""
        return "solarised" if params["apply"][row] else ""
