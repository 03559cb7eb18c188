"""The order of an epoch, the same on every machine and after every restart."""

from collections.abc import Iterator

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
        generator = counter_generator(_STREAM, self.seed, self.epoch - self.shift)
        order = torch.randperm(self.size, generator=generator)
        share = order[self.rank :: self.num_replicas][: len(self)]
        start, self.start = self.start, 0
        return iter(share[start:].tolist())
