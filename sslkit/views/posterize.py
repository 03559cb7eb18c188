"""Random posterisation: fewer brightness levels."""

from torch import Generator, Tensor

from sslkit.views.draws import Draw, coin
from sslkit.views.operation import Operation, own_float
from sslkit.views.pieces import chosen, put
from sslkit.views.validation import check_probability


class Posterize(Operation):
    """Round every value down to one of 2^bits levels, as torchvision does with floats.

    Args:
        probability: Of each image's being posterised.
        bits: Kept bits of a value, 1 to 8.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, *, probability: float = 0.2, bits: int = 4) -> None:
        self.probability = check_probability("probability", probability)
        if not 1 <= bits <= 8:
            raise ValueError(f"bits must be a whole number from 1 to 8, got {bits}.")
        self.bits = bits

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``apply`` (n,) bool."""
        return {"apply": coin(n, self.probability, generator)}

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Posterise the chosen images: (B, C, H, W) -> (B, C, H, W) float32 in [0, 1]."""
        return self.apply_(own_float(images), params)

    def apply_(self, images: Tensor, params: Draw) -> Tensor:
        """The same, in place."""
        levels = 2**self.bits
        for piece in chosen(params["apply"], images):
            part = images.index_select(0, piece).mul_(levels).floor_()
            put(images, piece, part.clamp_(0, levels - 1).mul_(1 / levels))
        return images

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """The bits that are kept."""
        return f"posterised to {self.bits} bits" if params["apply"][row] else ""
