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
            params: What `draw` returned for B images. While they are on the CPU, the images' device
                is never waited for.

        Returns:
            (B, C, H', W') float32 in [0, 1].
        """

    def apply_(self, images: Tensor, params: Draw) -> Tensor:
        """The same where the images need not be kept: what a view calls after its first step.

        Overwriting them saves a copy of the batch. An operation that has no use for that leaves
        this method as it is.

        Args:
            images: (B, C, H, W) float32 in [0, 1], contiguous; may be overwritten.
            params: As for `apply`.

        Returns:
            (B, C, H', W') float32 in [0, 1], the same tensor or another one.
        """
        return self.apply(images, params)

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """What was drawn for one image, for people; "" where nothing happens to it.

        Args:
            params: What `draw` returned.
            row: The image.
            height: H of the images that it applies to.
            width: W of them.
        """
        if "apply" in params and not params["apply"][row]:
            return ""
        numbers = {k: v[row] for k, v in params.items() if k != "apply" and v[row].numel() == 1}
        values = ", ".join(f"{name} {value.item():.3g}" for name, value in numbers.items())
        return f"{type(self).__name__} {values}".rstrip()


def unit_float(images: Tensor) -> Tensor:
    """The images as float32 in [0, 1]: uint8 is divided by 255, floats pass as they are."""
    return own_float(images) if images.dtype == torch.uint8 else images


def own_float(images: Tensor) -> Tensor:
    """The images as contiguous float32 in [0, 1], in a tensor that may be overwritten."""
    own = images.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return own.div_(255) if images.dtype == torch.uint8 else own
