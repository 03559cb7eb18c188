"""Training on a class-balanced share of the labelled images."""

import numpy as np
import pytest
import torch

from sslkit.data import ImageArrays, ImageDataModule


def arrays(size=40, classes=4, labels=True):
    images = np.arange(size, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    return ImageArrays({"x": images} | ({"y": np.arange(size) % classes} if labels else {}))


def of(loader):
    batches = list(loader)
    return torch.cat([b.index for b in batches]), torch.cat([b.label for b in batches])


@pytest.mark.parametrize("resident_gb", [1.0, 0.0])
def test_training_sees_as_many_of_every_class_the_same_in_every_run(resident_gb):
    options = {"batch_size": 4, "label_fraction": 0.2, "resident_gb": resident_gb, "workers": 0}
    data = ImageDataModule(arrays(), **options)
    index, label = of(data.eval_dataloader("train"))
    assert label.bincount().tolist() == [2, 2, 2, 2]
    assert data.splits() == {"train": 8}
    assert set(of(data.train_dataloader())[0].tolist()) == set(index.tolist())
    assert torch.equal(of(ImageDataModule(arrays(), **options).eval_dataloader("train"))[0], index)
    other = ImageDataModule(arrays(), seed=5, **options)
    assert not torch.equal(of(other.eval_dataloader("train"))[0], index)


def test_what_is_held_out_is_not_touched_and_not_trained_on():
    data = ImageDataModule(arrays(), val_fraction=0.2, label_fraction=0.25, batch_size=4)
    data.setup("fit")
    held, _ = of(data.val_dataloader())
    assert data.splits() == {"train": 8, "val": 8}
    assert not set(held.tolist()) & set(of(data.eval_dataloader("train"))[0].tolist())
    assert len(of(data.eval_dataloader("train_and_held_out"))[0]) == 40


@pytest.mark.parametrize(("val_fraction", "expected"), [(0.0, "val"), (0.25, "val")])
def test_a_share_is_no_hold_out(val_fraction, expected):
    options = {"val_source": arrays(), "label_fraction": 0.5, "batch_size": 4}
    data = ImageDataModule(arrays(), val_fraction=val_fraction, **options)
    assert data.evaluation_split() == expected


def test_says_what_is_wrong():
    for fraction in (0.0, 1.5):
        with pytest.raises(ValueError, match=rf"`label_fraction` is {fraction}; it must be in \(0"):
            ImageDataModule(arrays(), label_fraction=fraction)
    with pytest.raises(ValueError, match="all 40 images are unlabelled"):
        ImageDataModule(arrays(labels=False), label_fraction=0.1).setup("fit")


def test_labels_that_are_known_only_by_reading_are_refused():
    class Plain(torch.utils.data.Dataset):
        classes = ("a", "b", "c", "d")

        def __len__(self):
            return 40

        def __getitem__(self, position):
            return np.zeros((4, 4), np.uint8), position % 4

    data = ImageDataModule(Plain(), label_fraction=0.5, resident_gb=0.0, workers=0)
    with pytest.raises(ValueError, match="known only by reading each"):
        data.setup("fit")
    assert ImageDataModule(Plain(), label_fraction=0.5).splits() == {"train": 20}
