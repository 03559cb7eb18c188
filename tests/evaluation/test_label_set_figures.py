import pytest
import torch
from clouds import clouds
from sklearn.metrics import average_precision_score

from sslkit.evaluation import linear_sweep
from sslkit.evaluation.label_set_figures import map_figures, real_figures, sweep_figures


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 20)
    monkeypatch.setattr("sslkit.evaluation.label_set_figures.RESAMPLES", 20)


def drawn(images=80, classes=4):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(images, classes, generator=generator)
    sets = scores + torch.randn(images, classes, generator=generator) > 0.8
    return scores, sets


def test_map_is_that_of_scikit_learn_over_classes_that_some_image_has():
    scores, sets = drawn()
    sets[:, 2] = False
    found = map_figures(scores, sets, seed=0)
    each = [average_precision_score(sets[:, c].numpy(), scores[:, c].numpy()) for c in (0, 1, 3)]
    assert found.average_precision[[0, 1, 3]].tolist() == pytest.approx(each)
    assert found.average_precision[2].isnan()
    assert found.figures == {"mAP": pytest.approx(sum(each) / 3)}
    assert found.by_count == {} and found.probe == "sweep"


def test_the_interval_of_map_follows_its_seed_only():
    scores, sets = drawn()
    intervals = [map_figures(scores, sets, seed=seed).intervals["mAP"] for seed in (0, 0, 1)]
    assert intervals[0] == intervals[1] != intervals[2]
    with pytest.raises(ValueError, match="every label set is empty"):
        map_figures(scores, sets & False, seed=0)


def test_of_a_sweep_images_without_a_class_count_in_map_only():
    train, test = clouds(several=True), clouds(40, seed=1, several=True)
    test.labels[:6] = False
    swept = linear_sweep(train, test, seed=0, epochs=2)
    found = sweep_figures(swept, test.labels, seed=0)
    assert set(found.figures) == {"mAP", "in_set", "variable_top_k"} == set(found.intervals)
    assert sum(images for _, images in found.by_count.values()) == 34 and 0 not in found.by_count
    mean = sum(share * images for share, images in found.by_count.values()) / 34
    assert found.figures["variable_top_k"] == pytest.approx(mean)
    best = swept.logits[6:].argmax(1)
    hits = test.labels[6:].gather(1, best[:, None]).double().mean().item()
    assert found.figures["in_set"] == pytest.approx(hits)


def test_of_a_probe_of_fewer_classes_the_others_come_last():
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    sets = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]]).bool()
    found = real_figures("linear", scores, sets, seed=0)
    assert found.probe == "linear"
    assert found.figures == {"variable_top_k": pytest.approx((0.5 + 1 + 1) / 3)}
    assert found.by_count == {1: (1.0, 1), 2: (0.75, 2)}
    assert found.average_precision.shape == (4,) and found.average_precision[3].isnan()
    # One more image of one class each: variable top-k is top-1.
    single = torch.eye(2, 4).bool()[torch.tensor([0, 0, 1])]
    again = real_figures("sweep", scores, single, seed=0)
    assert again.figures["variable_top_k"] == pytest.approx(1 / 3)
