"""Images per second out of JPEG files of real photographs: sslkit and torchvision with PIL.

    python benchmarks/streaming.py [--rounds 7] [--images 1024] [--workers 2] [--quick]
    python benchmarks/results.py

Two folders of crops and rescalings of scikit-learn's two photographs, as large as ImageNet's images
and about as large as a screen. Each form reads them with the same number of worker processes, two
views of 224 pixels of each image, drawn as MoCo v2 does, in two stages:

    crops    what comes out of the loader: random resized crops and mirror images
    views    with MoCo v2's changes of colour, its blur and the normalisation (torchvision: in the
             workers; sslkit: in the main process, where a run's device would do it)

    torchvision   ImageFolder, PIL, the transforms of MoCo's authors, ToTensor
    worker        sslkit with crop: worker, which hands out uint8 crops
    device        sslkit with crop: device; the loader hands out whole uint8 images of 256 pixels
    shards        as worker, from eight tar shards

The forms take turns, an epoch each, with workers that live on; the first epoch is not counted. The
record ``streaming`` has ``setting`` and ``rates``: for each folder, stage and form the images per
second of every round. --quick tries everything on a few images and records nothing.
"""

import argparse
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import photographs
import records
import torch
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from sslkit.data import CropBatch, ImageDataModule
from sslkit.methods.worker_crops import share_crops
from sslkit.seeding import counter_generator
from sslkit.views import MoCoV2Views, Views

FOLDERS = {"as ImageNet": (256, 427), "large": (800, 1200)}
STAGES = ("crops", "views")
BASELINE = "torchvision"
FORMS = (BASELINE, "worker", "device", "shards")
SIZE, IMAGE_SIZE, BATCH, SHARDS = 224, 256, 64, 8
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Twice:
    """Two draws of a transform."""

    def __init__(self, transform: Callable[[Any], Any]) -> None:
        """Keep it."""
        self.transform = transform

    def __call__(self, image: Any) -> tuple[Any, Any]:
        """Both views."""
        return self.transform(image), self.transform(image)


class Blur:
    """PIL's blur with a random width, as in the code of MoCo's authors."""

    def __call__(self, image: Image.Image) -> Image.Image:
        """The blurred image."""
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


def torchvision_transform(stage: str, size: int) -> Twice:
    """Random crop and mirror image, and the changes of colour of MoCo v2, of PIL images."""
    crop = transforms.RandomResizedCrop(size, (0.2, 1.0))
    flip, floats = transforms.RandomHorizontalFlip(), transforms.ToTensor()
    if stage == "crops":
        return Twice(transforms.Compose([crop, flip, floats]))
    colours = [
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        transforms.RandomGrayscale(0.2),
        transforms.RandomApply([Blur()], p=0.5),
    ]
    normalise = transforms.Normalize(MEAN, STD)
    return Twice(transforms.Compose([crop, *colours, flip, floats, normalise]))


def open_form(
    form: str, stage: str, folder: Path, *, workers: int, batch: int, size: int
) -> tuple[DataLoader, Callable[[Any, int], Any]]:
    """A loader, and what is done to each of its batches."""
    if form == BASELINE:
        images = ImageFolder(str(folder), torchvision_transform(stage, size))
        loader = DataLoader(
            images,
            batch_size=batch,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        return loader, lambda got, number: got[0]
    views = MoCoV2Views(size=size)
    source = f"{folder}-shards/{{000..{SHARDS - 1:03}}}.tar" if form == "shards" else str(folder)
    data = ImageDataModule(
        source,
        batch_size=batch,
        workers=workers,
        resident_gb=0,
        image_size=IMAGE_SIZE * size // SIZE,
        crop="device" if form == "device" else "worker",
        mean=MEAN,
        std=STD,
    )
    data.setup()
    views.set_statistics(MEAN, STD)
    after = share_crops(views, data)
    make: Any = views if after is None else after
    return data.train_dataloader(), lambda got, number: finish(got, number, stage, make)


def finish(batch: Any, number: int, stage: str, make: Views | Any) -> Any:
    """What is left to do in the main process."""
    if stage == "crops":
        return batch
    images = batch.crops if isinstance(batch, CropBatch) else batch.image
    return make(images, counter_generator(number))


def rate(loader: Iterable[Any], after: Callable[[Any, int], Any], epoch: int, batch: int) -> float:
    """Images per second over one epoch."""
    sampler = getattr(loader, "sampler", None)
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)  # type: ignore[union-attr]
    count, begin = 0, time.perf_counter()
    for number, got in enumerate(loader):
        after(got, number)
        count += batch
    return count / (time.perf_counter() - begin)


def measure(folder: Path, rounds: int, **options: int) -> dict[str, dict[str, list[float]]]:
    """Rates of every stage and form, in turn."""
    found: dict[str, dict[str, list[float]]] = {}
    for stage in STAGES:
        opened = {form: open_form(form, stage, folder, **options) for form in FORMS}
        found[stage] = {form: [] for form in FORMS}
        for epoch in range(rounds + 1):
            for form, (loader, after) in opened.items():
                reached = rate(loader, after, epoch, options["batch"])
                if epoch:
                    found[stage][form].append(reached)
        for form, rates in found[stage].items():
            paired = [a / b for a, b in zip(rates, found[stage][BASELINE], strict=True)]
            print(
                f"{folder.name}, {stage}, {form}: {statistics.median(rates):.0f} images/s, "
                f"{statistics.median(paired):.2f}x torchvision",
                flush=True,
            )
    return found


def main() -> None:
    """Make the folders, measure, write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a few small images, no record")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    batch, size, images, rounds = BATCH, SIZE, options.images, options.rounds
    if options.quick:
        batch, size, images, rounds = 8, 64, 32, 1
    rates = {}
    with tempfile.TemporaryDirectory() as place:
        for name, shorter in FOLDERS.items():
            # The larger files take about four times as long.
            count = max(SHARDS * batch // 2, images // (4 if name == "large" else 1))
            folder = photographs.write_folder(Path(place) / name, count, shorter=shorter)
            photographs.write_shards(folder, Path(f"{folder}-shards"), SHARDS)
            rates[name] = measure(folder, rounds, workers=options.workers, batch=batch, size=size)
    if options.quick:
        return
    setting = {
        "images": images,
        "batch": batch,
        "size": size,
        "workers": options.workers,
        "threads": torch.get_num_threads(),
        "shorter side": {name: list(shorter) for name, shorter in FOLDERS.items()},
    }
    records.write("streaming", {"setting": setting, "rates": rates})


if __name__ == "__main__":
    main()
