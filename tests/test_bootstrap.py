import numpy as np
import pytest

from sslkit.bootstrap import bootstrap_interval, paired_bootstrap


def test_the_interval_is_that_of_drawing_images_with_replacement():
    rng = np.random.default_rng(1)
    for values in (rng.random(200) < 0.8, rng.normal(size=200)):
        low, high = bootstrap_interval(values, seed=0)
        means = values[rng.integers(0, 200, (20_000, 200))].mean(1)
        assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)
        assert bootstrap_interval(values, seed=0) == (low, high)
        narrow = bootstrap_interval(values, seed=0, level=0.5)
        assert low < narrow[0] < values.mean() < narrow[1] < high


def test_it_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.random(300) < 0.7, seed=seed, resamples=500)
        held += low <= 0.7 <= high
    assert 180 <= held <= 198


def test_pairs_are_drawn_together():
    rng = np.random.default_rng(0)
    a = rng.random(1000) < 0.7
    b = a ^ (rng.random(1000) < 0.03)
    value, low, high = paired_bootstrap(a, b, seed=0)
    assert value == pytest.approx(a.mean() - b.mean())
    assert low < value < high and high - low < 0.03  # two intervals of their own have 0.057 each
    assert paired_bootstrap(b, a, seed=0)[0] == pytest.approx(-value)
    assert paired_bootstrap(a, a, seed=0) == (0, 0, 0)


def test_of_one_value_the_interval_is_a_point():
    assert bootstrap_interval([True] * 5, seed=0) == (1, 1)


def test_says_what_it_cannot_use():
    for bad in ([], [[1, 0]], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="one finite number an image"):
            bootstrap_interval(bad, seed=0)
    with pytest.raises(ValueError, match="same images twice, got 2 and 3"):
        paired_bootstrap([1, 0], [1, 0, 1], seed=0)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        bootstrap_interval([1, 0], seed=0, level=95)
