import dataclasses

import numpy as np
import pytest
import torch
from largest import Largest

from sslkit.evaluation import Features, Head, linear_probe, linear_sweep, top1_hits
from sslkit.evaluation.head_training import train_heads
from sslkit.evaluation.held_out import held_out_rows
from sslkit.evaluation.label_sets import mean_average_precision

HEADS = (Head(0.3), Head(0.1, 1e-2), Head(0.03, 0.0, True), Head(1e-6))


def blobs(count=300, classes=4, seed=0, several=False):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, 6, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % classes
    sets = torch.nn.functional.one_hot(labels, classes).bool()
    if several:
        sets |= torch.rand(count, classes, generator=generator) < 0.2
    rows = sets.float() @ centres + torch.randn(count, 6, generator=generator)
    scale = torch.arange(1, 7)
    return Features(5 + rows * scale, sets if several else labels)


def sweep(train, test, **changes):
    settings = {"seed": 3, "heads": HEADS, "epochs": 5, "batch_size": 32} | changes
    return linear_sweep(train, test, **settings)


def test_is_as_good_as_logistic_regression():
    train, test = blobs(), blobs(seed=1)
    result = sweep(train, test)
    sides = [(side.features.numpy(), side.labels.numpy()) for side in (train, test)]
    reference = linear_probe(*sides, seed=3).accuracy
    assert result.metric == "top1"
    assert 0.5 < reference < 1
    assert result.figure == pytest.approx(reference, abs=0.03)
    assert result.figure == top1_hits(result.logits, test.labels).double().mean()
    assert set(result.held_out) == set(HEADS)
    assert result.held_out[result.head] == max(result.held_out.values())
    assert result.head != HEADS[3]
    assert result.best.held_out >= result.held_out[result.head]
    assert 1 <= result.best.epoch <= result.epochs


def test_the_chosen_head_is_trained_again_on_all_training_images():
    train, test = blobs(), blobs(seed=1)
    result = sweep(train, test)
    alone = sweep(train, test, heads=[result.head])
    torch.testing.assert_close(alone.logits, result.logits)
    held = held_out_rows(train.labels, 3)
    # An image that was only chosen on has a say in the reported head.
    one = int(held.nonzero()[0])
    moved = train.features.clone()
    moved[one] += 50
    other = sweep(Features(moved, train.labels), test, heads=[result.head])
    assert not torch.allclose(other.logits, result.logits)


def test_the_test_set_has_no_say():
    train, test = blobs(), blobs(seed=1)
    honest = sweep(train, test)
    shuffled = test.labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    blind = sweep(train, Features(test.features, shuffled))
    assert (blind.head, blind.held_out) == (honest.head, honest.held_out)
    assert torch.equal(blind.logits, honest.logits)
    assert blind.figure < honest.figure


def test_follows_the_seed():
    train, test = blobs(), blobs(seed=1)
    first, again, other = (sweep(train, test, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.logits, again.logits)
    assert not torch.equal(first.logits, other.logits)


def test_unlabelled_images_are_left_out():
    train, test = blobs(), blobs(seed=1)
    labels = torch.cat([train.labels, torch.full((20,), -1)])
    more = Features(torch.cat([train.features, torch.randn(20, 6)]), labels)
    hidden = test.labels.clone()
    hidden[7] = -1
    result = sweep(more, Features(test.features, hidden))
    assert torch.equal(result.logits, sweep(train, test).logits[torch.arange(300) != 7])
    assert result.index is not None
    assert 7 not in result.index.tolist()


def test_several_classes_an_image_are_scored_by_map():
    train, test = blobs(several=True), blobs(seed=1, several=True)
    result = sweep(train, test)
    assert result.metric == "mAP"
    assert result.figure == mean_average_precision(result.logits, test.labels)
    noise = mean_average_precision(torch.randn(300, 4), test.labels)
    assert result.figure > noise + 0.2


def test_the_layer_is_chosen_with_the_rest():
    train, test = blobs(), blobs(seed=1)
    noise = [torch.randn(300, 3, generator=torch.Generator().manual_seed(s)) for s in (5, 6)]
    wide, wide_test = (
        Features(torch.cat([z, x.features], dim=1), x.labels)
        for z, x in zip(noise, (train, test), strict=True)
    )
    result = sweep(wide, wide_test, layers={"output": 3, "map": 6})
    alone = sweep(train, test)
    assert result.head == alone.head._replace(layer="map")
    torch.testing.assert_close(result.logits, alone.logits)
    assert result.best.figure == alone.best.figure
    assert len(result.held_out) == 2 * len(HEADS)
    with pytest.raises(ValueError, match=r"are 9 wide.*add up to 8"):
        sweep(wide, wide_test, layers={"output": 3, "map": 5})


def test_reads_memory_mapped_features_without_copying_them(tmp_path, monkeypatch):
    train, test = blobs(), blobs(seed=1)
    np.save(tmp_path / "features.npy", train.features.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "features.npy", mmap_mode="c"))
    asked = []
    monkeypatch.setattr(
        "sslkit.evaluation.sweep.train_heads",
        lambda data, *rest, **kwargs: (
            asked.append(data.features.data_ptr()) or train_heads(data, *rest, **kwargs)
        ),
    )
    result = sweep(dataclasses.replace(train, features=mapped), test)
    assert set(asked) == {mapped.data_ptr()}
    assert torch.equal(result.logits, sweep(train, test).logits)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("held", [1, 150, 700])
def test_parts_in_which_rows_are_scored_change_nothing(monkeypatch, held, several):
    train, test = blobs(several=several), blobs(seed=1, several=several)
    whole = sweep(train, test)
    monkeypatch.setattr("sslkit.evaluation.sweep._HELD", held)
    parts = sweep(train, test)
    assert parts.held_out == whole.held_out
    torch.testing.assert_close(parts.logits, whole.logits)
    assert (parts.figure, parts.head, parts.best) == (whole.figure, whole.head, whole.best)


def test_no_step_makes_anything_as_large_as_the_features(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.sweep._HELD", 400)
    monkeypatch.setattr("sslkit.evaluation.head_training._HELD", 1000)
    monkeypatch.setattr("sslkit.evaluation.usable._ROWS", 50)
    train, test = blobs(3000), blobs(20, seed=1)
    wide = Features(train.features.repeat(1, 20), train.labels)
    wide_test = Features(test.features.repeat(1, 20), test.labels)
    with Largest() as memory:
        sweep(wide, wide_test, layers={"output": 60, "map": 60})
    # 3000 rows and their labels, 50 rows of features; 8 heads' classes of the 600 held-out rows.
    assert memory.made <= max(3000, 50 * 120, 8 * 600)
    assert memory.made < wide.features.numel() / 50


def test_diverging_heads_are_not_chosen_and_all_of_them_are_refused():
    train, test = blobs(), blobs(seed=1)
    wild = Head(1e30, 1e10)
    result = sweep(train, test, heads=(*HEADS, wild))
    assert result.held_out[wild] == 0
    assert result.head != wild
    with pytest.raises(ValueError, match="every one of the 1 linear heads diverged"):
        sweep(train, test, heads=[wild])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": ()}, "heads to choose from"),
        ({"heads": (Head(0.1), Head(0.1))}, "each once"),
        ({"heads": (Head(0.0),)}, "learning rates above 0"),
        ({"heads": (Head(0.1, -1.0),)}, "weight decays of at least 0"),
        ({"epochs": 0}, "at least 1 epoch"),
        ({"batch_size": 1}, "2 images in a batch"),
    ],
)
def test_says_what_is_wrong_with_the_settings(change, message):
    with pytest.raises(ValueError, match=message):
        sweep(blobs(), blobs(seed=1), **change)


def test_says_what_is_wrong_with_the_features():
    train, test = blobs(), blobs(seed=1)
    none = Features(train.features, torch.full((300,), -1))
    with pytest.raises(ValueError, match="300 training images have none"):
        sweep(none, test)
    with pytest.raises(ValueError, match="at least two classes"):
        sweep(Features(train.features, torch.zeros(300, dtype=torch.long)), test)
    with pytest.raises(ValueError, match=r"no training image has: \[4, 5\]"):
        sweep(train, blobs(classes=6))
    with pytest.raises(ValueError, match="two labelled training images of some class"):
        sweep(Features(train.features[:4], train.labels[:4]), test)
    bad = train.features.clone()
    bad[9, 2] = torch.nan
    with pytest.raises(ValueError, match=r"not finite for 1 of 300 training .* number 9"):
        sweep(Features(bad, train.labels), test)
    with pytest.raises(ValueError, match="6 wide and test features 5"):
        sweep(train, Features(test.features[:, :5], test.labels))
    with pytest.raises(ValueError, match="give the test images a set of all their classes"):
        sweep(blobs(several=True), test)
    several = blobs(several=True)
    with pytest.raises(ValueError, match="three images"):
        sweep(Features(several.features[:2], several.labels[:2]), several)
