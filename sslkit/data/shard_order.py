"""How an epoch over tar shards is divided and mixed: whole numbers only, nothing is read.

A rank's batches take turns among its L lanes (one for each worker): batch i belongs to lane i mod
L. All lanes of all ranks lie one after the other on the epoch's shuffled row of shards, and each
has a stretch of it that is as long as its batches need. Which image comes when is a function of the
seed, the number of the order, rank, lane and L alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from sslkit.seeding import counter_generator

# Keep the order of the shards, and that of images within a lane, apart from other draws.
_SHARDS = 15485863
_MIX = 15485867


@dataclass(frozen=True, kw_only=True)
class Division:
    """How many parts read the shards.

    Attributes:
        rank: Of this process.
        world_size: Ranks.
        lanes: L, of each rank.
        batch_size: Images in a batch.
    """

    rank: int
    world_size: int
    lanes: int
    batch_size: int


class Stretch(NamedTuple):
    """Images of one shard, in their order there: from number ``first`` up to before ``last``."""

    shard: int
    first: int
    last: int


def lane_stretches(
    counts: Sequence[int], division: Division, lane: int, *, seed: int, order: int
) -> list[Stretch]:
    """What a lane reads in an epoch.

    Args:
        counts: Images in each shard.
        division: The ranks and lanes.
        lane: 0 to L − 1.
        seed: Of the order of the shards.
        order: Number of the epoch's order.

    Returns:
        Stretches in the order in which they are read; together as many images as the lane's batches
        hold. Those of all lanes and ranks do not overlap, and leave out less than a batch a rank.
    """
    batches = sum(counts) // division.world_size // division.batch_size
    sizes = [
        len(range(n, batches, division.lanes)) * division.batch_size for n in range(division.lanes)
    ]
    begin = division.rank * batches * division.batch_size + sum(sizes[:lane])
    end = begin + sizes[lane]
    stretches, at = [], 0
    shuffled = torch.randperm(len(counts), generator=counter_generator(_SHARDS, seed, order))
    for shard in shuffled.tolist():
        first, last = max(begin - at, 0), min(end - at, counts[shard])
        if first < last:
            stretches.append(Stretch(shard, first, last))
        at += counts[shard]
    return stretches


def mixed(
    count: int, division: Division, lane: int, *, held: int, seed: int, order: int
) -> list[int]:
    """The order in which a lane hands out what it reads.

    Of the images that it holds one is drawn at random, and the next one that is read takes its
    place.

    Args:
        count: Images of the lane.
        division: The ranks and lanes.
        lane: 0 to L − 1.
        held: Images that it holds at a time.
        seed: Of the draws.
        order: Number of the epoch's order.

    Returns:
        Numbers 0 to count − 1 of the images as they are read, each once; none is handed out before
        those up to ``held`` − 1 before it have been read.
    """
    generator = counter_generator(_MIX, seed, order, division.rank, lane, division.lanes)
    draws = torch.rand(count, generator=generator, dtype=torch.float64).tolist()
    slots = list(range(min(held, count)))
    handed = []
    for number, draw in enumerate(draws, start=len(slots)):
        slot = int(draw * len(slots))
        handed.append(slots[slot])
        if number < count:
            slots[slot] = number
        else:
            slots[slot] = slots[-1]
            slots.pop()
    return handed
