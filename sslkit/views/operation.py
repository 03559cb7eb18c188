"""What every operation of a view is: a draw, and a deterministic function of images and draw."""

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from sslkit.views.draws import Draw


class Operation(ABC):
    """One step of a view, such as a crop or a blur, on a whole batch at once.

    Subclass it to add a step of your own: name the class in a `View`, in Python or in YAML. An
    operation holds settings only, no tensors, so it needs no device and leaves checkpoints alone.
    One that makes square images of a fixed side tells it in an attribute ``size``, in pixels.
    """

    @abstractmethod
    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw for n images.

        Args:
            n: The number of images.
            generator: A CPU generator; None takes torch's global one.

        Returns:
            Tensors on the CPU whose first dimension is n.
        """

    @abstractmethod
    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Transform the images as drawn. The images passed in are left unchanged.

        Args:
            images: (B, C, H, W), uint8 or float32 in [0, 1].
            params: What `draw` returned for B images, on any device.

        Returns:
            (B, C, H', W') float32 in [0, 1].
        """


def unit_float(images: Tensor) -> Tensor:
    """The images as float32 in [0, 1]: uint8 is divided by 255, floats pass as they are."""
    return images.div(255) if images.dtype == torch.uint8 else images
