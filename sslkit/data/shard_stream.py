"""Tar shards in training: each worker reads its part from the first byte to the last.

n images in this split, B in a batch, L lanes: see `sslkit.data.shard_order`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

import torch
from torch.utils.data import Dataset

from sslkit.data.batch import Batch, CropBatch
from sslkit.data.cropped import CroppedImages
from sslkit.data.errors import DataError
from sslkit.data.fetched import Fetched
from sslkit.data.read_ahead import ReadAhead
from sslkit.data.sampler import Numbered
from sslkit.data.shard_order import Division, Stretch, lane_stretches, mixed
from sslkit.data.shard_samples import Sample
from sslkit.data.shards import TarShards
from sslkit.data.stream import StreamedImages
from sslkit.data.view_crops import ViewCrops


class ShardStream(Dataset):
    """Batches by their number in a rank's epoch.

    A loader whose workers take turns asks each of them for one lane only. Whoever is asked for
    another batch than the next of its lane reads the lane anew up to there, without decoding, and
    opens no shard that is used up by then.

    Args:
        images: The split, of `TarShards`.
        crops: Cuts each view out of the image as it is decoded; None hands out whole images.
        division: Ranks and lanes.
        seed: Of the mixing.
    """

    def __init__(
        self, images: StreamedImages, crops: ViewCrops | None, division: Division, seed: int
    ) -> None:
        if not isinstance(images.source, TarShards):
            raise TypeError(f"images must be of TarShards, got {type(images.source).__name__}.")
        self.source = images.source
        self.division = division
        self.seed = seed
        self._size = len(images)
        self._ahead = ReadAhead(self.source)
        ahead = replace(images, source=self._ahead)
        self._store = ahead if crops is None else CroppedImages(ahead, crops)
        # The split's positions of each shard, in the order in which they lie there.
        order = torch.argsort(images.rows)
        ends = torch.searchsorted(images.rows[order], self.source.counts.cumsum(0))
        self._positions = order.tensor_split(ends[:-1])
        self._rows = images.rows
        self._lanes: dict[int, _Lane] = {}

    def __len__(self) -> int:
        return self._size

    def settings(self) -> dict[str, int]:
        """What decides, beside the sampler's settings, which images a batch holds."""
        lanes = self.division.lanes
        return {"workers": lanes, "shards": len(self.source.shards), "shuffle": self.source.shuffle}

    def __getitems__(self, asked: Sequence[Numbered]) -> Fetched[Batch] | Fetched[CropBatch]:
        """One batch, whose images are numbered as the rank counts them in the epoch."""
        order, first = asked[0]
        number = first // self.division.batch_size
        lane = number % self.division.lanes
        handed = number // self.division.lanes * self.division.batch_size
        try:
            samples = self._lane(order, lane, handed).take(len(asked))
        except DataError as error:
            return Fetched(None, [], error)
        self._ahead.ready = {int(self._rows[position]): s for position, s in samples}
        positions = [position for position, _ in samples]
        if isinstance(self._store, CroppedImages):
            return self._store.__getitems__([Numbered(order, position) for position in positions])
        return self._store.__getitems__(positions)

    def _lane(self, order: int, lane: int, handed: int) -> "_Lane":
        """The lane where so many of its images have been handed out."""
        found = self._lanes.get(lane)
        if found is None or (found.order, found.handed) != (order, handed):
            counts = [len(positions) for positions in self._positions]
            where = {"seed": self.seed, "order": order}
            stretches = lane_stretches(counts, self.division, lane, **where)
            images = sum(stretch.last - stretch.first for stretch in stretches)
            held = self.source.shuffle
            mix = mixed(images, self.division, lane, held=held, **where)
            found = _Lane(order, mix, handed, self._read(stretches, set(mix[:handed])))
            self._lanes = {n: kept for n, kept in self._lanes.items() if kept.order == order}
            self._lanes[lane] = found
        return found

    def _read(
        self, stretches: Sequence[Stretch], handed: set[int]
    ) -> Iterator[tuple[int, int, Sample]]:
        """Number, position and sample of all that a lane has not handed out, as it is read."""
        numbers = count()
        for shard, first, last in stretches:
            mine = list(islice(numbers, last - first))
            if handed.issuperset(mine):
                continue
            positions = self._positions[shard][first:last].tolist()
            begin, there = int(self.source.counts[:shard].sum()), int(self.source.counts[shard])
            wanted = {
                int(self._rows[p]) - begin: (n, p) for n, p in zip(mine, positions, strict=True)
            }
            for place, sample in enumerate(self.source.samples(shard)):
                number, position = wanted.pop(place, (-1, -1))
                if number >= 0 and number not in handed:
                    yield number, position, sample
                # After its last image a shard is asked for more: it may hold what it should not.
                if not wanted and place + 1 < there:
                    break


class _Lane:
    """What a lane holds and hands out.

    Args:
        order: Number of the epoch's order.
        mix: Numbers of its images, in the order in which they are handed out.
        handed: How many of them have been.
        read: Number, position and sample of the others, as they are read.
    """

    def __init__(
        self, order: int, mix: list[int], handed: int, read: Iterator[tuple[int, int, Sample]]
    ) -> None:
        self.order = order
        self.handed = handed
        self._mix = mix
        self._read = read
        self._held: dict[int, tuple[int, Sample]] = {}

    def take(self, images: int) -> list[tuple[int, Sample]]:
        """The next images: position in the split, and sample."""
        taken = []
        for number in self._mix[self.handed : self.handed + images]:
            while number not in self._held:
                read, position, sample = next(self._read)
                self._held[read] = position, sample
            taken.append(self._held.pop(number))
        self.handed += images
        return taken
