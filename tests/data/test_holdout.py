import pytest
import torch

from sslkit.data.holdout import hold_out
from sslkit.seeding import counter_generator


def test_every_class_in_the_same_proportion():
    labels = torch.tensor([0] * 100 + [1] * 50 + [2] * 10)
    kept, held = hold_out(labels, 0.1, counter_generator(0))
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(160))
    assert torch.bincount(labels[held]).tolist() == [10, 5, 1]


def test_it_is_random_but_fixed_by_the_generator():
    labels = torch.arange(1000) % 10
    first, again, other = (hold_out(labels, 0.2, counter_generator(seed))[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("size", "fraction"), [(10, 0.01), (1, 0.9), (3, 0.9)])
def test_both_parts_need_images(size, fraction):
    with pytest.raises(ValueError, match=f"`val_fraction` is {fraction}: of {size} training"):
        hold_out(torch.zeros(size, dtype=torch.int64), fraction, counter_generator(0))
