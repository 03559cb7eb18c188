"""A DataLoader that knows where in the epoch it is."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from sslkit.data.errors import UnreadableImageError
from sslkit.data.fetched import Fetched, as_fetched
from sslkit.data.resident import ResidentImages
from sslkit.data.sampler import EpochSampler
from sslkit.data.shard_stream import ShardStream
from sslkit.data.shards import TarShards
from sslkit.data.stream import StreamedImages


class ImageLoader(DataLoader):
    """Batches of a resident or streamed split; a training run that was killed goes on exactly.

    It yields a `Batch`, or where workers crop for each view a `CropBatch`.

    With an `EpochSampler`, ``state_dict`` holds the epoch, the number of its order, and how many of
    its batches were *handed out* (workers run ahead of that); after ``load_state_dict`` the next
    iteration starts with the batch that follows. ``len`` stays that of a full epoch. Lightning
    saves and restores this state with its checkpoints.

    An iteration starts working at its first ``next``, not at ``iter``: Lightning calls ``iter``
    before it has told the sampler the epoch of a resumed run. It leaves torch's global random
    state alone.

    Args:
        dataset: As for `open_loader`.
        **options: As for ``torch.utils.data.DataLoader``.
    """

    def __init__(self, dataset: Dataset, **options: Any) -> None:
        options.setdefault("collate_fn", as_fetched)
        # Only seeds the workers, which draw nothing unless the user's data set does. Without one,
        # every iteration would draw from torch's global state.
        self._worker_seeds: torch.Generator = options.setdefault("generator", torch.Generator())
        super().__init__(dataset, **options)
        self._epoch = self._order = 0
        self._handed_out = 0
        self._resume = False
        self._unreadable: dict[str, None] = {}
        self._reported = 0

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        sampler = self.sampler
        start = 0
        if isinstance(sampler, EpochSampler):
            if self._resume and self._epoch == sampler.epoch:
                start = self._handed_out
            elif self._resume:
                # What comes after the saved epoch is the next order. Lightning may count one epoch
                # too many here: with max_steps, it ends the saved epoch a second time.
                sampler.shift = sampler.epoch - self._order - 1
            self._epoch = sampler.epoch
            self._order = sampler.epoch - sampler.shift
            sampler.start = start * (self.batch_size or 1)
        self._handed_out, self._resume = start, False
        self._worker_seeds.manual_seed(self._order)
        for fetched in super().__iter__():
            batch = self._unwrap(fetched)
            self._handed_out += 1
            yield batch
        self._report()

    def state_dict(self) -> dict[str, int]:
        """Where the loader is, and the settings that this position is meaningful for."""
        return {
            "epoch": self._epoch,
            "order": self._order,
            "batches": self._handed_out,
            "length": len(self),
            **self._settings(),
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch that ``state_dict`` was called at.

        Args:
            state: What ``state_dict`` returned.

        Raises:
            ValueError: If the epoch was not finished and its batches were cut differently.
        """
        settings = self._settings()
        changed = [key for key in settings if state.get(key) != settings[key]]
        if changed and 0 < state["batches"] < state["length"]:
            raise ValueError(
                f"The checkpoint was saved after batch {state['batches']} of an epoch, and since "
                "then the data has changed: "
                + ", ".join(
                    f"{key} was {state.get(key)}, now is {settings[key]}" for key in changed
                )
                + ". The rest of that epoch is therefore not known. Resume with the old settings, "
                "or from a checkpoint saved at the end of an epoch."
            )
        self._epoch, self._order = state["epoch"], state["order"]
        self._handed_out, self._resume = state["batches"], True
        if isinstance(self.sampler, EpochSampler):
            self.sampler.set_epoch(self._epoch)
            self.sampler.shift = self._epoch - self._order

    def _settings(self) -> dict[str, int]:
        """All that decides, with the epoch, which images a batch holds."""
        settings = {"batch_size": self.batch_size or 1}
        if isinstance(self.sampler, EpochSampler):
            settings["images"] = self.sampler.size
            settings["world_size"] = self.sampler.num_replicas
            settings["seed"] = self.sampler.seed
        if isinstance(self.dataset, ShardStream):
            settings |= self.dataset.settings()
        return settings

    def _unwrap(self, fetched: Fetched) -> Any:
        if fetched.unreadable and not self._unreadable:
            warnings.warn(
                f"{fetched.unreadable[0]}. It is left out (on_bad_image: skip); if there are more, "
                "their number follows at the end of each epoch.",
                stacklevel=3,
            )
            self._reported = 1
        self._unreadable.update(dict.fromkeys(fetched.unreadable))
        if fetched.error is not None:
            raise fetched.error
        if fetched.batch is None:
            raise UnreadableImageError(f"A batch holds no readable image: {fetched.unreadable[:3]}")
        return fetched.batch

    def _report(self) -> None:
        """Warn with the number of unreadable images, if it has grown."""
        if len(self._unreadable) > self._reported:
            self._reported = len(self._unreadable)
            names = list(self._unreadable)[:3]
            warnings.warn(
                f"{self._reported} unreadable images were left out so far (on_bad_image: skip): "
                f"{'; '.join(names)}{' ...' * (self._reported > 3)}",
                stacklevel=3,
            )


def open_loader(
    store: Dataset,
    *,
    batch_size: int,
    workers: int,
    persistent: bool,
    pinned: bool = True,
    sampler: EpochSampler | None = None,
    drop_last: bool = False,
) -> ImageLoader:
    """A loader of a split, with workers only where there is something for them to do.

    Args:
        store: A `ResidentImages`, `StreamedImages`, `CroppedImages` or `ShardStream`.
        batch_size: Images in a batch.
        workers: At most so many processes read a streamed split; a resident one needs none.
        persistent: Whether the workers live on between epochs.
        pinned: Whether batches go to pinned memory where there is a GPU.
        sampler: The order; without one, that of the split.
        drop_last: Whether to leave out an incomplete last batch.
    """
    workers = _useful(store, batch_size, workers)
    return ImageLoader(
        store,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=drop_last,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        pin_memory=pinned and torch.cuda.is_available(),
    )


def _useful(store: Dataset, batch_size: int, workers: int) -> int:
    """How many of so many processes have something to do.

    None where images are in memory; otherwise no more than there are batches. Where shards can only
    be read from the first byte on, and one batch after the other is asked for, every process would
    read everything, so that there is one at most.
    """
    if isinstance(store, ResidentImages):
        return 0
    source = store.source if isinstance(store, StreamedImages) else None
    if isinstance(source, TarShards) and source.in_order_only:
        workers = min(workers, 1)
    size = len(store)  # pyright: ignore[reportArgumentType]
    return min(workers, math.ceil(size / batch_size))
