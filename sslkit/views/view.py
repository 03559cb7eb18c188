"""One view: operations applied one after the other."""

from functools import reduce
from itertools import groupby

from torch import Generator, Tensor, nn

from sslkit.views.colour_map import ColourMap
from sslkit.views.draws import Draw
from sslkit.views.from_module import FromModule
from sslkit.views.operation import Operation, own_float
from sslkit.views.recolouring import Recolouring


class View:
    """A chain of operations that turns a batch of images into one view of each.

    Neighbours whose colour changes are affine maps (a fast `ColorJitter` and `RandomGrayscale`) are
    applied as one.

    Args:
        operations: In the order in which they apply. At least one fixes the size of the view
            (`RandomResizedCrop` does). Modules, such as kornia's augmentations, are wrapped in
            `FromModule`.

    Attributes:
        size: Side of the view, in pixels.

    Raises:
        ValueError: If none of the operations fixes the size.
    """

    def __init__(self, operations: list[Operation | nn.Module]) -> None:
        self.operations = [
            FromModule(step) if isinstance(step, nn.Module) else step for step in operations
        ]
        sizes = [getattr(operation, "size", None) for operation in self.operations]
        sizes = [size for size in sizes if size is not None]
        if not sizes:
            names = ", ".join(type(step).__name__ for step in operations) or "none"
            raise ValueError(
                "operations must include one that fixes the size of the view, such as "
                f"RandomResizedCrop(size=...), got {names}: views must not depend on the size of "
                "the images that happen to come."
            )
        self.size: int = sizes[-1]

    def draw(self, n: int, generator: Generator | None = None) -> list[Draw]:
        """Draw for n images: one `Draw` per operation."""
        return [operation.draw(n, generator) for operation in self.operations]

    def apply(self, images: Tensor, params: list[Draw]) -> Tensor:
        """(B, C, H, W) uint8, or float32 in [0, 1] -> (B, C, size, size) float32 in [0, 1]."""
        own = False
        for affine, steps in groupby(zip(self.operations, params, strict=True), _is_affine):
            steps = list(steps)
            if affine and len(steps) > 1:
                images = _recoloured(images if own else own_float(images), steps)
                own = True
                continue
            for operation, draw in steps:
                given = images
                images = operation.apply_(given, draw) if own else operation.apply(given, draw)
                # What has turned from whole numbers to floats is nobody else's tensor.
                own = (own or images.dtype != given.dtype) and images.is_contiguous()
        return images

    def describe(self, params: list[Draw], row: int, height: int, width: int) -> list[str]:
        """What was drawn for one image, operation by operation; without those that do nothing.

        Args:
            params: What `draw` returned.
            row: The image.
            height: H of the images.
            width: W of the images.
        """
        said = []
        for operation, draw in zip(self.operations, params, strict=True):
            said.append(operation.describe(draw, row, height, width))
            size = getattr(operation, "size", None)
            height, width = (height, width) if size is None else (size, size)
        return [text for text in said if text]


def _is_affine(step: tuple[Operation, Draw]) -> bool:
    return isinstance(step[0], Recolouring) and step[0].affine


def _recoloured(images: Tensor, steps: list[tuple[Operation, Draw]]) -> Tensor:
    """The images, which may be overwritten, with all changes of colour as one map."""
    maps: list[ColourMap] = []
    for operation, draw in steps:
        assert isinstance(operation, Recolouring)
        operation.check(images)
        maps.append(operation.colours(draw))
    return reduce(ColourMap.then, maps).apply(images)
