import pytest
import torch

from sslkit.data.holdout import hold_out
from sslkit.seeding import counter_generator


def per_class(labels, fraction):
    return torch.bincount(labels[hold_out(labels, fraction, counter_generator(0))]).tolist()


def test_every_class_in_the_same_proportion():
    labels = torch.tensor([0] * 100 + [1] * 50 + [2] * 10)[torch.randperm(160)]
    assert per_class(labels, 0.1) == [10, 5, 1]
    assert per_class(labels, 0.26) == [26, 13, 3]


@pytest.mark.parametrize(("fraction", "expected"), [(0.01, [1, 1, 0, 1]), (0.99, [2, 1, 0, 9])])
def test_a_class_of_two_gives_at_least_one_and_keeps_one(fraction, expected):
    labels = torch.tensor([0] * 3 + [1] * 2 + [2] + [3] * 10)
    assert per_class(labels, fraction) == expected


def test_classes_may_be_any_numbers():
    labels = torch.tensor([-1, 7, 7, -1, -1, 1000])
    held = hold_out(labels, 0.5, counter_generator(0))
    assert sorted(labels[held].tolist()) == [-1, -1, 7]


def test_it_is_random_but_fixed_by_the_generator():
    labels = torch.arange(1000) % 10
    first, again, other = (hold_out(labels, 0.2, counter_generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_nothing_to_hold_out():
    held = hold_out(torch.arange(5), 0.5, counter_generator(0))
    assert held.tolist() == [False] * 5
