"""One view: operations applied one after the other."""

from torch import Generator, Tensor

from sslkit.views.draws import Draw
from sslkit.views.operation import Operation


class View:
    """A chain of operations that turns a batch of images into one view of each.

    Args:
        operations: In the order in which they apply. At least one fixes the size of the view
            (`RandomResizedCrop` does).

    Attributes:
        size: Side of the view, in pixels.

    Raises:
        ValueError: If none of the operations fixes the size.
    """

    def __init__(self, operations: list[Operation]) -> None:
        sizes = [getattr(operation, "size", None) for operation in operations]
        sizes = [size for size in sizes if size is not None]
        if not sizes:
            names = ", ".join(type(operation).__name__ for operation in operations) or "none"
            raise ValueError(
                "operations must include one that fixes the size of the view, such as "
                f"RandomResizedCrop(size=...), got {names}: views must not depend on the size of "
                "the images that happen to come."
            )
        self.operations = list(operations)
        self.size: int = sizes[-1]

    def draw(self, n: int, generator: Generator | None = None) -> list[Draw]:
        """Draw for n images: one `Draw` per operation."""
        return [operation.draw(n, generator) for operation in self.operations]

    def apply(self, images: Tensor, params: list[Draw]) -> Tensor:
        """(B, C, H, W) uint8, or float32 in [0, 1] -> (B, C, size, size) float32 in [0, 1]."""
        for operation, draw in zip(self.operations, params, strict=True):
            images = operation.apply(images, draw)
        return images
