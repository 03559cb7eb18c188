"""Random conversion to grey."""

import torch
from torch import Generator, Tensor

from sslkit.views.colour import grey
from sslkit.views.colour_map import ColourMap
from sslkit.views.draws import Draw, coin
from sslkit.views.pieces import chosen, put
from sslkit.views.recolouring import Recolouring
from sslkit.views.validation import check_probability


class RandomGrayscale(Recolouring):
    """Replace an image by its luma, repeated in every channel.

    Grey images (one channel) are left as they are.

    Args:
        probability: Of each image's turning grey.

    Raises:
        ValueError: If `probability` is outside [0, 1].
    """

    remedy = "Leave it out: grayscale=0 in a recipe."

    def __init__(self, *, probability: float = 0.2) -> None:
        self.probability = check_probability("probability", probability)

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``apply`` (n,) bool."""
        return {"apply": coin(n, self.probability, generator)}

    def colours(self, params: Draw) -> ColourMap:
        """No chroma where an image turns grey."""
        kept = torch.ones(len(params["apply"]), device=params["apply"].device)
        none = torch.zeros_like(kept)
        return ColourMap(kept, none, none.to(torch.complex64)).where(params["apply"])

    def recolour_(self, images: Tensor, params: Draw) -> Tensor:
        """Turn the chosen images grey: (B, C, H, W), overwritten, C = 1 or 3."""
        if images.shape[1] == 3:
            for piece in chosen(params["apply"], images):
                part = images.index_select(0, piece)
                put(images, piece, grey(part).expand_as(part))
        return images

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """Whether it is grey."""
        return "grey" if params["apply"][row] else ""
