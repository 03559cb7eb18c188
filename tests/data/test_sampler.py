import pytest
import torch
from torch.utils.data import DistributedSampler

from sslkit.data.sampler import EpochSampler, NumberedSampler, StreamSampler


def order(size=10, rank=0, world_size=1, seed=0, epoch=0, start=0):
    sampler = EpochSampler(size, rank=rank, world_size=world_size, seed=seed)
    sampler.set_epoch(epoch)
    sampler.start = start
    return list(sampler)


def test_an_epoch_is_a_permutation_fixed_by_seed_and_epoch():
    assert sorted(order()) == list(range(10))
    assert order(seed=3, epoch=5) == order(seed=3, epoch=5)
    assert len({tuple(order(100, seed=s, epoch=e)) for s in range(3) for e in range(3)}) == 9


def test_the_global_random_state_is_neither_read_nor_moved():
    state = torch.get_rng_state()
    first = order(100)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(123)
    assert order(100) == first


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_ranks_share_one_permutation_evenly(world_size):
    shares = [order(11, rank, world_size) for rank in range(world_size)]
    assert {len(share) for share in shares} == {11 // world_size}
    together = [position for step in zip(*shares, strict=True) for position in step]
    assert together == order(11)[: len(together)]


def test_len_is_the_share_of_a_full_epoch():
    sampler = EpochSampler(11, rank=1, world_size=2, seed=0)
    sampler.start = 3
    assert len(sampler) == 5


def test_a_start_is_passed_over_once():
    sampler = EpochSampler(10, rank=0, world_size=1, seed=0)
    sampler.start = 4
    assert list(sampler) == order()[4:]
    assert list(sampler) == order()


def test_shift_delays_the_order():
    sampler = EpochSampler(10, rank=0, world_size=1, seed=0)
    sampler.set_epoch(5)
    sampler.shift = 2
    assert list(sampler) == order(epoch=3)


def test_lightning_takes_it_for_a_distributed_sampler():
    assert isinstance(EpochSampler(4, rank=0, world_size=1, seed=0), DistributedSampler)


def test_numbered_positions_say_which_order_they_belong_to():
    plain = EpochSampler(11, rank=1, world_size=2, seed=3)
    numbered = NumberedSampler(11, rank=1, world_size=2, seed=3)
    for sampler in (plain, numbered):
        sampler.set_epoch(5)
        sampler.shift = 2
        sampler.start = 1
    asked = list(numbered)
    assert [number.position for number in asked] == list(plain)
    assert {number.order for number in asked} == {3}
    assert len(asked) == len(numbered) - 1


def test_a_stream_is_counted():
    sampler = StreamSampler(11, rank=1, world_size=2, seed=3)
    sampler.set_epoch(4)
    sampler.start = 2
    assert list(sampler) == [(4, 2), (4, 3), (4, 4)]
    assert list(sampler) == [(4, position) for position in range(5)]
