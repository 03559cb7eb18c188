"""Operations that change colours and nothing else, several of which can be one map."""

from abc import abstractmethod

from torch import Tensor

from sslkit.views.colour import check_colour_channels
from sslkit.views.colour_map import ColourMap
from sslkit.views.draws import Draw
from sslkit.views.operation import Operation, own_float


class Recolouring(Operation):
    """An operation on the colours of RGB images; greys (one channel) are allowed too.

    Attributes:
        affine: Whether `colours` will do for it, so that a view may join it with its neighbours.
        remedy: What an error about other channels advises.
    """

    affine: bool = True
    remedy: str

    @abstractmethod
    def colours(self, params: Draw) -> ColourMap:
        """The drawn change as an affine map."""

    @abstractmethod
    def recolour_(self, images: Tensor, params: Draw) -> Tensor:
        """The drawn change on its own: (B, C, H, W), overwritten, C = 1 or 3."""

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Change the colours: (B, C, H, W) -> (B, C, H, W) float32 in [0, 1].

        Raises:
            ValueError: If C is neither 1 nor 3.
        """
        return self.apply_(own_float(images), params)

    def apply_(self, images: Tensor, params: Draw) -> Tensor:
        """The same, overwriting the images."""
        self.check(images)
        return self.recolour_(images, params)

    def check(self, images: Tensor) -> None:
        """Refuse images that are neither grey nor RGB.

        Raises:
            ValueError: If C is neither 1 nor 3.
        """
        check_colour_channels(type(self).__name__, images, self.remedy)
