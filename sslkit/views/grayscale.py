"""Random conversion to grey."""

from torch import Generator, Tensor

from sslkit.views.colour import check_colour_channels, grey
from sslkit.views.draws import Draw, chosen, coin
from sslkit.views.operation import Operation, unit_float
from sslkit.views.validation import check_probability


class RandomGrayscale(Operation):
    """Replace an image by its luma, repeated in every channel.

    Grey images (one channel) are left as they are.

    Args:
        probability: Of each image's turning grey.

    Raises:
        ValueError: If `probability` is outside [0, 1].
    """

    def __init__(self, *, probability: float = 0.2) -> None:
        self.probability = check_probability("probability", probability)

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``apply`` (n,) bool."""
        return {"apply": coin(n, self.probability, generator)}

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Turn the chosen images grey: (B, C, H, W) -> (B, C, H, W) float32 in [0, 1].

        Raises:
            ValueError: If C is neither 1 nor 3.
        """
        check_colour_channels("RandomGrayscale", images, "Leave it out: grayscale=0 in a recipe.")
        images = unit_float(images)
        if images.shape[1] == 1:
            return images
        index = chosen(params["apply"], images.device)
        part = images[index]
        return images.index_copy(0, index, grey(part).expand_as(part))
