"""Modules from elsewhere, such as kornia's augmentations, as operations of a view."""

import torch
from torch import Generator, Tensor, nn

from sslkit.views.draws import Draw
from sslkit.views.operation import Operation, unit_float


class FromModule(Operation):
    """A module that augments float images, and draws for itself when it is called.

    Any of ``kornia.augmentation`` that takes and returns images will do (`View` wraps modules by
    itself). Torch's generators are set by the draw while it runs and put back afterwards, so it is
    as deterministic and repeatable as the rest; but it draws for a batch and not for an image, so
    its draws are worth nothing for a part of the batch.

    Args:
        module: (B, C, H, W) float32 in [0, 1] -> (B, C, H', W'). What leaves [0, 1] is clamped.
        size: H' and W', if the module fixes them.
    """

    def __init__(self, module: nn.Module, *, size: int | None = None) -> None:
        self.module = module
        if size is not None:
            self.size = size
        self._device: torch.device | None = None

    def draw(self, n: int, generator: Generator | None = None) -> Draw:
        """Draw ``seed`` (n,) int64, of which the first one counts."""
        return {"seed": torch.randint(2**62, (n,), generator=generator, device="cpu")}

    def apply(self, images: Tensor, params: Draw) -> Tensor:
        """Call the module: (B, C, H, W) -> (B, C, H', W') float32 in [0, 1]."""
        device = images.device
        if device != self._device:
            self.module.to(device)
            self._device = device
        seed, elsewhere = int(params["seed"][0]), device.type != "cpu"
        kind = device.type if elsewhere else "cuda"
        with torch.random.fork_rng([device] if elsewhere else [], device_type=kind):
            torch.default_generator.manual_seed(seed)
            if elsewhere:
                torch.get_device_module(device).manual_seed(seed)
            return self.module(unit_float(images)).float().clamp(0, 1)

    def describe(self, params: Draw, row: int, height: int, width: int) -> str:
        """The module's name; what it drew is its own."""
        return type(self.module).__name__
