"""The order of an epoch, the same on every machine and after every restart."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch.utils.data import DistributedSampler

from sslkit.seeding import counter_generator

# Keeps the shuffle's random stream apart from other draws that count seed and epoch too.
_STREAM = 7919


class EpochSampler(DistributedSampler):
    """A rank's share of a shuffle that is a pure function of the seed and the number of the order.

    All ranks cut the same permutation: rank r of W takes its elements r, r + W, r + 2W ..., all
    ranks equally many (the remainder is left out, another one every epoch).

    It is a ``DistributedSampler`` so that Lightning, which would otherwise replace it under a
    distributed strategy, leaves it alone and tells it the epoch.

    Attributes:
        epoch: Which epoch comes next; set by ``set_epoch``.
        shift: How far the order lags behind the epoch: order = epoch − shift.
        start: How many of the rank's images the next iteration passes over; 0 after that.

    Args:
        size: Number of images, over all ranks.
        rank: r.
        world_size: W.
        seed: Seed of the shuffle.
    """

    def __init__(self, size: int, *, rank: int, world_size: int, seed: int) -> None:
        positions = range(size)
        super().__init__(
            positions,  # pyright: ignore[reportArgumentType]
            num_replicas=world_size,
            rank=rank,
            seed=seed,
            drop_last=True,
        )
        self.size = size
        self.shift = 0
        self.start = 0

    def __len__(self) -> int:
        return self.size // self.num_replicas

    def __iter__(self) -> Iterator[int]:
        start, self.start = self.start, 0
        return iter(self.share(self.epoch - self.shift)[start:])

    def share(self, order: int) -> Sequence[int]:
        """The rank's positions in an order, from the first to the last."""
        generator = counter_generator(_STREAM, self.seed, order)
        shuffled = torch.randperm(self.size, generator=generator)
        return shuffled[self.rank :: self.num_replicas][: len(self)].tolist()


class Numbered(NamedTuple):
    """A position in a split, and the number of the order that it is asked for in.

    Worker processes that live through several epochs know by it which epoch this is.
    """

    order: int
    position: int


class NumberedSampler(EpochSampler):
    """The same positions, numbered by the order that they belong to."""

    def __iter__(self) -> Iterator[Numbered]:  # pyright: ignore[reportIncompatibleMethodOverride]
        order = self.epoch - self.shift
        return (Numbered(order, position) for position in super().__iter__())


class StreamSampler(NumberedSampler):
    """Counts a rank's images instead of shuffling them: what is read in a stream mixes itself."""

    def share(self, order: int) -> Sequence[int]:
        """0 to the number of the rank's images − 1."""
        return range(len(self))
