"""The loader that training reads: this rank's share of the images, in a new order every epoch."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from torch.utils.data import Dataset

from sslkit.data.cropped import CroppedImages
from sslkit.data.library import Images
from sslkit.data.loader import ImageLoader, open_loader
from sslkit.data.sampler import EpochSampler, NumberedSampler, StreamSampler
from sslkit.data.shard_order import Division
from sslkit.data.shard_stream import ShardStream
from sslkit.data.shards import TarShards
from sslkit.data.stream import StreamedImages
from sslkit.data.view_crops import Crop, ViewCrops
from sslkit.distributed import rank, world_size


class Training:
    """Makes the loader, and lets a resumed run go on where it was.

    Args:
        crop: Whether views are cropped by workers, or later on the device.
        workers: Processes that may read streamed images.
    """

    def __init__(self, crop: Literal["device", "worker"], workers: int) -> None:
        self.crop = crop
        self.workers = workers
        self.crops: Sequence[Crop] | None = None
        self._loader: ImageLoader | None = None
        self._position: dict[str, int] | None = None

    def loader(self, images: Images, batch_size: int, seed: int) -> ImageLoader:
        """The loader of an epoch after the other, from the position on that was taken over.

        Args:
            images: The training images.
            batch_size: Images in a batch.
            seed: Of the order, and of the crops.

        Raises:
            ValueError: If there are too few images for one batch, or workers are to crop and it is
                not known what.
        """
        if self.crop == "worker" and self.crops is None:
            raise ValueError(
                "`crop` is worker, and nothing has told the data module what to cut out for each "
                "view: the pretraining methods do it; in a module of your own call take_crops() of "
                "the data module in setup(), or set `crop` to device."
            )
        self._loader = training_loader(
            images,
            batch_size=batch_size,
            workers=self.workers,
            seed=seed,
            crops=self.crops if self.crop == "worker" else None,
        )
        if self._position is not None:
            self._loader.load_state_dict(self._position)
            self._position = None
        return self._loader

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is."""
        return {} if self._loader is None else {"train": self._loader.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next loader go on where `state_dict` was called."""
        self._position = state.get("train")


def training_loader(
    images: Images, *, batch_size: int, workers: int, seed: int, crops: Sequence[Crop] | None
) -> ImageLoader:
    """Shuffled batches of this rank's share, the last incomplete one left out.

    Args:
        images: The training images.
        batch_size: Images in a batch.
        workers: Processes that may read streamed images.
        seed: Of the order, and of the crops.
        crops: What workers cut out of streamed images for each view; None hands out whole images.

    Raises:
        ValueError: If there are too few images for one batch.
    """
    share = len(images) // world_size()
    if share < batch_size:
        ranks = f" on each of {world_size()} ranks" if world_size() > 1 else ""
        raise ValueError(
            f"`batch_size` is {batch_size}, but there are only {share} training images{ranks}, so "
            "not one whole batch (incomplete ones are left out in training). Set `batch_size` to "
            f"{max(share, 1)} or less, or give more images."
        )
    store: Dataset = images
    sampler = EpochSampler
    if isinstance(images, StreamedImages):
        images = store = images.replacing()
        cut = None if crops is None else ViewCrops(crops, images.wanted, seed)
        if isinstance(images.source, TarShards):
            # One for each process that the loader starts.
            lanes = max(1, min(workers, math.ceil(len(images) / batch_size)))
            division = Division(
                rank=rank(), world_size=world_size(), lanes=lanes, batch_size=batch_size
            )
            store, sampler = ShardStream(images, cut, division, seed), StreamSampler
        elif cut is not None:
            store, sampler = CroppedImages(images, cut), NumberedSampler
    return open_loader(
        store,
        batch_size=batch_size,
        workers=workers,
        persistent=True,
        sampler=sampler(len(images), rank=rank(), world_size=world_size(), seed=seed),
        drop_last=True,
    )
