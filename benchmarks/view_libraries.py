"""SimCLR's two views of a batch by several libraries, each as it documents its use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import kornia.augmentation as kornia
import torch
from lightly.transforms import SimCLRTransform
from photographs import squares
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from sslkit.views import SimCLRViews

VIEWS = 2
MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
EXACT, FAST = "sslkit, exact colour", "sslkit, fast colour"
LIGHTLY = "lightly, its loader"
ONE_PROCESS = (EXACT, FAST, "kornia, slice", "kornia, resample", "torchvision v2, per sample")


@dataclass(frozen=True)
class Setting:
    """What is made: views of `size` pixels from images of `source` pixels."""

    size: int
    source: int
    batch: int
    strength: float

    @property
    def blur(self) -> bool:
        """As in SimCLR: not for small images."""
        return self.size > 32

    def images(self, count: int | None = None) -> Tensor:
        """Squares of photographs (B, 3, source, source) uint8."""
        return squares(count or self.batch, self.source)


SETTINGS = {
    "32 px": Setting(size=32, source=32, batch=512, strength=0.5),
    "96 px": Setting(size=96, source=96, batch=256, strength=1.0),
    "224 px": Setting(size=224, source=256, batch=64, strength=1.0),
}


def maker(name: str, setting: Setting) -> Callable[[Tensor], object]:
    """From a uint8 batch to its views, in this process.

    Args:
        name: One of `ONE_PROCESS`.
        setting: What is made.
    """
    if name in (EXACT, FAST):
        return SimCLRViews(
            size=setting.size,
            strength=setting.strength,
            blur=setting.blur,
            colour="exact" if name == EXACT else "fast",
            mean=MEAN,
            std=STD,
        )
    if name.startswith("kornia"):
        chain = _kornia(setting, mode=name.split()[-1])

        def batched(images: Tensor) -> list[Tensor]:
            floats = images.float().div_(255)
            return [chain(floats) for _ in range(VIEWS)]

        return batched
    sample = _torchvision(setting)
    return lambda images: [torch.stack([sample(x) for x in images]) for _ in range(VIEWS)]


def lightly_batches(setting: Setting, batches: int, workers: int) -> Iterator[list]:
    """Batches of SimCLR's views from lightly's transform, over images in memory."""
    transform = SimCLRTransform(
        input_size=setting.size,
        cj_strength=setting.strength,
        gaussian_blur=0.5 if setting.blur else 0.0,
        normalize={"mean": MEAN, "std": STD},
    )
    dataset = _Pictures(setting.images(), batches * setting.batch, transform)
    return iter(DataLoader(dataset, setting.batch, shuffle=True, num_workers=workers))


def _kornia(setting: Setting, *, mode: str) -> kornia.AugmentationSequential:
    s, side = setting.strength, setting.size
    steps: list[torch.nn.Module] = [
        kornia.RandomResizedCrop(
            (side, side), scale=(0.08, 1.0), resample="BICUBIC", cropping_mode=mode
        ),
        kornia.RandomHorizontalFlip(),
        kornia.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s, p=0.8),
        kornia.RandomGrayscale(p=0.2),
    ]
    if setting.blur:
        kernel = int(0.1 * side) | 1
        steps.append(kornia.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5))
    steps.append(kornia.Normalize(torch.tensor(MEAN), torch.tensor(STD)))
    return kornia.AugmentationSequential(*steps)


def _torchvision(setting: Setting) -> v2.Compose:
    s, side = setting.strength, setting.size
    steps: list[torch.nn.Module] = [
        v2.RandomResizedCrop(side, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)], p=0.8),
        v2.RandomGrayscale(p=0.2),
    ]
    if setting.blur:
        kernel = int(0.1 * side) | 1
        steps.append(v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], p=0.5))
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    return v2.Compose(steps)


class _Pictures(Dataset):
    """The same images over and over, as PIL images through a transform."""

    def __init__(self, images: Tensor, length: int, transform: Callable) -> None:
        self.images, self.length, self.transform = images, length, transform

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> list[Tensor]:
        return self.transform(v2.functional.to_pil_image(self.images[index % len(self.images)]))
