import pytest
import torch

from sslkit.evaluation import k_shot, label_fraction


def labels(sizes=(400, 300, 300), unlabelled=50):
    every = torch.cat([torch.full((n,), c) for c, n in enumerate(sizes)])
    every = torch.cat([every, torch.full((unlabelled,), -1)])
    return every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]


def counts(given, rows):
    return given[rows].bincount().tolist()


@pytest.mark.parametrize(("fraction", "each"), [(0.01, 3), (0.1, 33), (0.0001, 1)])
def test_a_fraction_has_as_many_of_every_class(fraction, each):
    given = labels()
    rows = label_fraction(given, fraction, seed=0)
    assert counts(given, rows) == [each] * 3
    assert torch.equal(rows, rows.unique())


def test_a_class_with_too_few_gives_all_it_has():
    given = labels((400, 300, 5))
    assert counts(given, label_fraction(given, 0.1, seed=0)) == [24, 24, 5]
    assert counts(given, label_fraction(given, 1.0, seed=0)) == [235, 235, 5]


def test_k_shot_takes_k_of_every_class():
    given = labels()
    rows = k_shot(given, 5, seed=0)
    assert counts(given, rows) == [5, 5, 5]
    assert torch.equal(rows, rows.unique())


def test_parts_are_fixed_by_the_seed_and_lie_within_larger_ones():
    given = labels()
    first = k_shot(given, 3, seed=0)
    assert torch.equal(first, k_shot(given, 3, seed=0))
    assert not torch.equal(first, k_shot(given, 3, seed=1))
    assert set(k_shot(given, 1, seed=0).tolist()) < set(first.tolist())
    assert torch.equal(first, label_fraction(given, 0.01, seed=0))
    assert set(first.tolist()) < set(label_fraction(given, 0.1, seed=0).tolist())


def test_parts_are_drawn_from_the_whole_class():
    given = torch.arange(1000) % 2
    rows = k_shot(given, 50, seed=0)
    assert rows.min() < 100
    assert rows.max() > 900


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    k_shot(labels(), 3, seed=0)
    assert torch.equal(state, torch.get_rng_state())


def test_says_what_is_wrong():
    given = labels((400, 300, 5, 4))
    with pytest.raises(ValueError, match=r"2 of 4 classes have fewer: class 2 has 5, class 3 has"):
        k_shot(given, 6, seed=0)
    with pytest.raises(ValueError, match="k of at most 4"):
        k_shot(given, 6, seed=0)
    with pytest.raises(ValueError, match="at least 1 image a class, got 0"):
        k_shot(given, 0, seed=0)
    for fraction in (0.0, 1.5):
        with pytest.raises(ValueError, match=f"fraction .* got {fraction}"):
            label_fraction(given, fraction, seed=0)
    with pytest.raises(ValueError, match="all 4 images are unlabelled"):
        k_shot(torch.full((4,), -1), 1, seed=0)
    with pytest.raises(ValueError, match="one class an image"):
        label_fraction(torch.ones(4, 2, dtype=torch.bool), 0.1, seed=0)
