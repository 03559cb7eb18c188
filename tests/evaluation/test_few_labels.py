import pytest
import torch
from clouds import clouds

from sslkit.data.subsets import k_shot, label_fraction
from sslkit.evaluation import Features, Plan, linear_probe
from sslkit.evaluation.few_labels import few_label_probes


def arrays(features, rows=slice(None)):
    return features.features[rows].numpy(), features.labels[rows].numpy()


def test_the_probe_sees_the_part_alone_and_repeats_it_with_every_seed():
    train, test = clouds(150), clouds(60, seed=1)
    plan = Plan(fractions=(0.1,), shots=(4,))
    found, notes = few_label_probes(train, test, plan, seeds=[3, 4])
    assert list(found) == ["linear_10_percent", "linear_4_shot"] and notes == []
    assert [one.images for one in found.values()] == [15, 12]
    draws = {
        "linear_10_percent": lambda seed: label_fraction(train.labels, 0.1, seed=seed),
        "linear_4_shot": lambda seed: k_shot(train.labels, 4, seed=seed),
    }
    for name, draw in draws.items():
        for seed, result in zip([3, 4], found[name].results, strict=True):
            assert result == linear_probe(arrays(train, draw(seed)), arrays(test), seed=seed)
    # What was not drawn has no say.
    shots = k_shot(train.labels, 4, seed=3)
    hidden = torch.full_like(train.features, 1e6)
    hidden[shots] = train.features[shots]
    again, _ = few_label_probes(Features(hidden, train.labels), test, Plan(shots=(4,)), seeds=[3])
    assert again["linear_4_shot"].results == found["linear_4_shot"].results[:1]


def test_one_image_of_every_class_is_fitted_with_a_fixed_strength():
    found, _ = few_label_probes(clouds(), clouds(60, seed=1), Plan(shots=(1,)), seeds=[0])
    (result,) = found["linear_1_shot"].results
    assert (result.c, result.held_out) == (1.0, {})
    assert result.accuracy > 0.4


def test_more_shots_than_a_class_has_are_left_out_and_named():
    train = clouds(20)  # the last class has 6 images
    found, notes = few_label_probes(train, clouds(60, seed=1), Plan(shots=(6, 7)), seeds=[0])
    assert list(found) == ["linear_6_shot"]
    assert notes == ["7 images of every class are left out: some class has only 6."]


@pytest.mark.parametrize(("share", "name"), [(0.01, "1"), (0.005, "0.5"), (0.07, "7")])
def test_figures_are_named_by_their_share(share, name):
    plan = Plan(fractions=(share,))
    found, _ = few_label_probes(clouds(), clouds(30, seed=1), plan, seeds=[0])
    assert list(found) == [f"linear_{name}_percent"]


def test_parts_that_are_too_large_to_be_fitted_are_left_out_and_named(monkeypatch):
    train, test = clouds(150), clouds(60, seed=1)
    monkeypatch.setattr("sslkit.evaluation.linear_limits.MOST_WORK", 15 * 6 * 3)
    plan = Plan(fractions=(0.1, 0.2), shots=(4,))
    found, notes = few_label_probes(train, test, plan, seeds=[0])
    assert list(found) == ["linear_10_percent", "linear_4_shot"]
    assert notes == ["linear_20_percent is left out, as it would take hours on so many features."]


def test_probabilities_of_all_these_parts_are_not_kept():
    found, _ = few_label_probes(clouds(), clouds(30, seed=1), Plan(shots=(1, 2)), seeds=[0])
    for one in found.values():
        assert [result.probabilities for result in one.results] == [None]
        assert [len(result.predicted) for result in one.results] == [30]
