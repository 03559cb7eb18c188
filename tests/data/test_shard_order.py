import itertools

import pytest

from sslkit.data.shard_order import Division, lane_stretches, mixed

COUNTS = [7, 3, 12, 1, 9, 8]


def images(stretches):
    return [(s.shard, n) for s in stretches for n in range(s.first, s.last)]


@pytest.mark.parametrize(("ranks", "lanes", "batch"), [(1, 1, 4), (2, 3, 2), (3, 2, 5), (1, 8, 3)])
def test_every_image_is_read_once_but_for_less_than_a_batch_a_rank(ranks, lanes, batch):
    seen, per_rank = [], []
    for rank in range(ranks):
        division = Division(rank=rank, world_size=ranks, lanes=lanes, batch_size=batch)
        found = [lane_stretches(COUNTS, division, lane, seed=1, order=2) for lane in range(lanes)]
        sizes = [len(images(one)) for one in found]
        assert all(size % batch == 0 for size in sizes)
        assert max(sizes) - min(sizes) <= batch
        seen += itertools.chain.from_iterable(map(images, found))
        per_rank.append(sum(sizes))
    assert len(set(seen)) == len(seen)
    assert set(per_rank) == {sum(COUNTS) // ranks // batch * batch}


def test_orders_and_seeds_differ_and_repeat():
    division = Division(rank=0, world_size=1, lanes=2, batch_size=2)
    first = lane_stretches(COUNTS, division, 0, seed=1, order=2)
    assert first == lane_stretches(COUNTS, division, 0, seed=1, order=2)
    assert first != lane_stretches(COUNTS, division, 0, seed=1, order=3)
    assert first != lane_stretches(COUNTS, division, 0, seed=2, order=2)


@pytest.mark.parametrize(("count", "held"), [(40, 6), (5, 8), (12, 1), (0, 3)])
def test_mixing_hands_out_each_once_and_holds_no_more_than_it_may(count, held):
    division = Division(rank=0, world_size=1, lanes=2, batch_size=2)
    handed = mixed(count, division, 0, held=held, seed=1, order=2)
    assert sorted(handed) == list(range(count))
    assert all(number < step + held for step, number in enumerate(handed))
    assert (handed == list(range(count))) == (held == 1 or count == 0)


def test_lanes_and_ranks_mix_differently():
    def mix(rank, lane):
        division = Division(rank=rank, world_size=2, lanes=2, batch_size=2)
        return tuple(mixed(30, division, lane, held=10, seed=1, order=2))

    assert len({mix(rank, lane) for rank in (0, 1) for lane in (0, 1)}) == 4


def test_mixing_reaches_far_and_near():
    division = Division(rank=0, world_size=1, lanes=1, batch_size=2)
    handed = mixed(4000, division, 0, held=100, seed=1, order=2)
    waited = [step - number for step, number in enumerate(handed)]
    # An image waits for as long as one slot of 100 is not drawn: 100 draws in the mean.
    assert abs(sum(w + 99 for w in waited) / len(waited) - 99) < 10
    assert max(waited) > 200
