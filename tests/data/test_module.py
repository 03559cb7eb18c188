import gc
import logging
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from PIL import Image
from torch.utils.data import Dataset

from sslkit.data import Batch, ImageArrays, ImageDataModule
from sslkit.data.resident import ResidentImages
from sslkit.data.stream import StreamedImages

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)


def arrays(labelled=True):
    return ImageArrays({"x": PIXELS} | ({"y": np.arange(20) % 4} if labelled else {}))


class Pictures(Dataset):
    """A user's own data set: PIL images, in its own way labelled or not."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, position):
        return self.items[position]


def put(root, *names, size=(6, 6), mode="L"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, 100).save(path)
    return str(root)


def indices(loader):
    return [batch.index.tolist() for batch in loader]


def flat(batches):
    return [index for batch in batches for index in batch]


def test_the_quickstart_set():
    data = ImageDataModule("quickstart", val_fraction=0.1, batch_size=64)
    data.setup("fit")
    assert data.splits() == {"train": 4500, "val": 500, "test": 1000}
    assert (data.channels, data.num_classes, data.labelled) == (1, 10, True)
    assert data.classes is not None
    assert data.mean == pytest.approx([0.286], abs=0.01)
    assert data.std == pytest.approx([0.353], abs=0.01)
    batch = next(iter(data.train_dataloader()))
    assert isinstance(batch, Batch)
    assert batch.image.shape == (64, 1, 28, 28)
    assert batch.image.dtype == torch.uint8
    assert batch.label.dtype == batch.index.dtype == torch.int64


def test_setup_twice_opens_once():
    data = ImageDataModule(arrays(), batch_size=4)
    data.setup("fit")
    store = data.train_dataloader().dataset
    data.setup()
    assert data.train_dataloader().dataset is store


def test_streamed_and_resident_data_give_the_same_batches(tmp_path):
    for position, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{position:02}.png")
    options = {"batch_size": 6, "image_size": 4, "channels": 3, "seed": 3}
    resident = ImageDataModule(str(tmp_path), **options)
    streamed = ImageDataModule(str(tmp_path), resident_gb=0, workers=0, **options)
    resident.setup()
    streamed.setup()
    assert resident.mean == streamed.mean
    assert resident.std == streamed.std
    kinds = (type(data.train_dataloader().dataset) for data in (resident, streamed))
    assert list(kinds) == [ResidentImages, StreamedImages]
    for one, two in zip(resident.train_dataloader(), streamed.train_dataloader(), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_workers_are_for_streamed_data_only():
    resident = ImageDataModule(arrays(), batch_size=4, workers=2)
    streamed = ImageDataModule(
        arrays(), batch_size=4, workers=2, resident_gb=0, mean=[0.5], std=[0.2]
    )
    assert resident.train_dataloader().num_workers == 0
    loader = streamed.train_dataloader()
    assert (loader.num_workers, loader.persistent_workers) == (2, True)


def test_mean_and_std_are_those_of_the_training_images():
    data = ImageDataModule(arrays(), val_fraction=0.2, batch_size=4)
    data.setup()
    rows = data.eval_dataloader("train").dataset.rows
    assert data.mean == pytest.approx([PIXELS[rows].mean() / 255])
    assert data.std == pytest.approx([PIXELS[rows].std() / 255])


def test_streamed_statistics_come_from_a_fixed_sample(monkeypatch):
    monkeypatch.setattr("sslkit.data.statistics._SAMPLE_SIZE", 8)
    found = []
    for seed in (1, 2):
        data = ImageDataModule(arrays(), batch_size=4, resident_gb=0, workers=0, seed=seed)
        data.setup()
        found.append((data.mean, data.std))
    assert found[0] == found[1]
    assert found[0][0] != pytest.approx([PIXELS.mean() / 255], abs=1e-9)
    assert found[0][0] == pytest.approx([PIXELS.mean() / 255], abs=0.1)


def test_given_statistics_are_kept():
    data = ImageDataModule(arrays(), batch_size=4, mean=[0.25])
    data.setup()
    assert data.mean == [0.25]
    assert data.std == pytest.approx([PIXELS.std() / 255])


def test_epochs_differ_and_repeat_with_the_seed(monkeypatch):
    def first(seed, epoch):
        loader = ImageDataModule(arrays(), batch_size=5, seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return indices(loader)

    assert first(0, 0) == first(0, 0)
    assert len({str(first(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    assert first(None, 1) == first(1, 1)


def test_evaluation_is_in_order_and_complete(tmp_path):
    data = ImageDataModule(arrays(), test_source=arrays(), batch_size=8, val_fraction=0.25)
    assert flat(indices(data.eval_dataloader("test"))) == list(range(20))
    assert len(flat(indices(data.eval_dataloader("train")))) == 16
    assert len(flat(indices(data.eval_dataloader("test", limit=99)))) == 20


def test_evaluation_of_fewer_images_draws_the_same_ones_in_every_run(monkeypatch):
    def chosen(limit):
        data = ImageDataModule(arrays(), test_source=arrays(), batch_size=20)
        return flat(indices(data.eval_dataloader("test", limit=limit)))

    few = chosen(10)
    assert len(set(few)) == 10 and few == sorted(few)
    # The labels repeat every four images: at equal distances there would be two classes.
    assert {index % 4 for index in few} == {0, 1, 2, 3}
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert chosen(10) == few


def test_evaluation_of_a_split_that_is_not_there():
    data = ImageDataModule(arrays(), batch_size=4)
    with pytest.raises(
        ValueError, match=r"no test split: the data has train\. Give a `test_source.*Validation im"
    ):
        data.eval_dataloader("test")
    with pytest.raises(ValueError, match=r"no val split.*a `source` with a val split\.$"):
        data.eval_dataloader("val")


@pytest.mark.parametrize("resident_gb", [1.0, 0.0])
def test_training_images_together_with_those_held_out_of_them(resident_gb):
    options = {"batch_size": 8, "resident_gb": resident_gb, "workers": 0}
    data = ImageDataModule(arrays(), val_fraction=0.25, **options)
    both = data.eval_dataloader("train_and_held_out")
    assert flat(indices(both)) == list(range(20))
    assert torch.cat([batch.label for batch in both]).tolist() == [0, 1, 2, 3] * 5
    (few,) = indices(data.eval_dataloader("train_and_held_out", limit=4))
    assert len(set(few)) == 4 and few == sorted(few)
    assert "train_and_held_out" not in data.splits()
    data = ImageDataModule(arrays(), val_source=arrays(), val_fraction=0.25, **options)
    assert len(flat(indices(data.eval_dataloader("train_and_held_out")))) == 20
    assert len(flat(indices(data.eval_dataloader("train")))) == 20
    data = ImageDataModule(arrays(), val_fraction=0.5, limit=6, **options)
    assert flat(indices(data.eval_dataloader("train_and_held_out"))) == list(range(6))


@pytest.mark.parametrize("resident_gb", [1.0, 0.0])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"val_fraction": 0.25}, None),
        ({"test_source": arrays()}, "test"),
        ({"val_source": arrays(), "test_source": arrays()}, "test"),
        ({"val_source": arrays()}, "val"),
        ({"val_source": arrays(), "val_fraction": 0.25}, "val"),
        ({"val_source": arrays(), "test_source": arrays(labelled=False)}, "val"),
        ({"val_source": arrays(labelled=False), "test_source": arrays(labelled=False)}, None),
        ({"val_fraction": 0.25, "test_source": Pictures([Image.new("L", (6, 6))])}, None),
        ({"test_source": Pictures([(Image.new("L", (6, 6)), 1)])}, "test"),
    ],
)
def test_which_split_evaluation_scores(options, expected, resident_gb):
    data = ImageDataModule(arrays(), batch_size=8, resident_gb=resident_gb, workers=0, **options)
    assert data.evaluation_split() == expected
    if expected is not None:
        assert len(flat(indices(data.eval_dataloader(expected)))) in (1, 20)


def test_unlabelled_training_images_leave_nothing_to_score():
    data = ImageDataModule(arrays(labelled=False), test_source=arrays(), batch_size=8)
    assert data.evaluation_split() is None


def test_the_layout_of_imagenet_is_scored_on_val(tmp_path):
    root = put(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/2.png", "val/b/2.png")
    assert ImageDataModule(root).evaluation_split() == "val"
    put(tmp_path, "test/3.png", "test/4.png")
    assert ImageDataModule(root).evaluation_split() == "val"


def test_the_source_is_let_go_when_its_images_are_in_memory():
    source = arrays()
    held = weakref.ref(source)
    data = ImageDataModule(source, batch_size=4)
    data.setup()
    del source
    gc.collect()
    assert held() is None
    assert data.description == "ImageArrays"
    assert len(indices(data.train_dataloader())) == 5


def test_what_a_report_calls_the_data(tmp_path):
    assert ImageDataModule("quickstart").description == "quickstart"
    assert ImageDataModule(tmp_path).description == str(tmp_path)


def test_the_users_warning_filters_stay_as_they_are():
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        before = list(warnings.filters)
        data = ImageDataModule(arrays(), val_source=arrays(), batch_size=4)
        data.setup()
        for loader in (data.train_dataloader(), data.val_dataloader()):
            next(iter(loader))
        assert list(warnings.filters) == before


@pytest.mark.parametrize(
    "source",
    [
        arrays(labelled=False),
        Pictures([Image.new("RGB", (6, 6))] * 20),
        Pictures([(Image.new("RGB", (6, 6)), None)] * 20),
    ],
    ids=["arrays", "images", "pairs"],
)
@pytest.mark.parametrize("resident_gb", [1.0, 0.0])
def test_unlabelled_images_train_without_validation(source, resident_gb, caplog):
    data = ImageDataModule(
        source, val_fraction=0.2, batch_size=4, resident_gb=resident_gb, workers=0
    )
    with caplog.at_level(logging.INFO):
        data.setup("fit")
        assert data.val_dataloader() == data.val_dataloader() == []
    assert sum("online validation is off" in line for line in caplog.messages) == 1
    assert (data.num_classes, data.classes, data.labelled) == (None, None, False)
    assert data.splits() == {"train": 20}
    assert next(iter(data.train_dataloader())).label.tolist() == [-1] * 4


def test_an_unlabelled_validation_split_is_not_validated_on():
    data = ImageDataModule(arrays(), val_source=arrays(labelled=False), batch_size=4)
    assert data.val_dataloader() == []
    assert data.labelled


def test_an_unlabelled_run_in_a_plain_trainer():
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, batch_idx):
            return self.layer(batch.image.float().mean().reshape(1, 1)).sum()

        def validation_step(self, batch, batch_idx):
            raise AssertionError("there is nothing to validate on")

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Module(), datamodule=ImageDataModule(arrays(labelled=False), batch_size=4))
    assert trainer.global_step == 5


def test_bad_images_in_a_folder(tmp_path):
    root = put(tmp_path, "train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png")
    bad = tmp_path / "train" / "b" / "0.png"
    bad.write_text("no image")
    with pytest.raises(ValueError, match=r"b/0\.png cannot be read"):
        ImageDataModule(root, batch_size=2).setup()
    with pytest.warns(UserWarning, match="Left out 1 unreadable of 5"):
        data = ImageDataModule(root, batch_size=2, on_bad_image="skip")
        data.setup()
    assert data.splits() == {"train": 4}
    assert sorted(flat(indices(data.eval_dataloader("train")))) == [0, 1, 3, 4]
    streamed = ImageDataModule(
        root, batch_size=5, on_bad_image="skip", resident_gb=0, workers=0, mean=[0.5], std=[0.5]
    )
    with pytest.warns(UserWarning, match=r"b/0\.png cannot be read.*on_bad_image: skip"):
        assert [len(batch) for batch in indices(streamed.train_dataloader())] == [5]
    with pytest.warns(UserWarning, match=r"b/0\.png cannot be read.*on_bad_image: skip"):
        assert indices(streamed.eval_dataloader("train")) == [[0, 1, 3, 4]]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_oversized_images_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    put(tmp_path, "0.png", "1.png", "3.png")
    root = put(tmp_path, "2.png", size=(20, 20))
    options = {"batch_size": 4, "mean": [0.5], "std": [0.5], "workers": 0}
    for resident_gb in (1.0, 0.0):
        data = ImageDataModule(root, resident_gb=resident_gb, **options)
        with pytest.raises(ValueError, match=r"2\.png cannot be read.*exceeds limit.*on_bad_image"):
            indices(data.eval_dataloader("train"))
        data = ImageDataModule(root, resident_gb=resident_gb, on_bad_image="skip", **options)
        with pytest.warns(UserWarning, match=r"2\.png cannot be read"):
            assert indices(data.eval_dataloader("train")) == [[0, 1, 3]]


class Damaged(Pictures):
    """A user's data set whose reader fails on its third item."""

    def __getitem__(self, position):
        if position == 2:
            raise SyntaxError("broken PNG file")
        return super().__getitem__(position)


def test_bad_images_of_a_users_data_set_in_workers():
    source = Damaged([Image.new("L", (6, 6))] * 4)
    options = {"batch_size": 4, "mean": [0.5], "std": [0.5], "workers": 1, "resident_gb": 0.0}
    data = ImageDataModule(source, **options)
    with pytest.raises(ValueError, match=r"^Item 2 of Damaged cannot be read.*broken PNG file"):
        indices(data.eval_dataloader("train"))
    data = ImageDataModule(source, on_bad_image="skip", **options)
    with pytest.warns(UserWarning, match="Item 2 of Damaged cannot be read"):
        assert indices(data.eval_dataloader("train")) == [[0, 1, 3]]


def test_mixed_sizes_without_resize(tmp_path):
    put(tmp_path, "a.png")
    root = put(tmp_path, "b.png", size=(8, 6))
    with pytest.raises(
        ValueError, match=r"a\.png is 6 x 6 pixels, .*b\.png is 8 x 6.*`image_size`"
    ):
        ImageDataModule(root).setup()
    data = ImageDataModule(root, image_size=5, batch_size=2)
    assert next(iter(data.train_dataloader())).image.shape == (2, 1, 5, 5)


def test_mixed_channels(tmp_path):
    put(tmp_path, "a.png")
    root = put(tmp_path, "b.png", mode="RGB")
    with pytest.raises(ValueError, match="Set `channels`"):
        ImageDataModule(root).setup()
    data = ImageDataModule(root, channels=3, batch_size=2)
    data.setup()
    assert (data.channels, len(data.mean)) == (3, 3)


def test_drop_last_that_leaves_no_batch(monkeypatch):
    data = ImageDataModule(arrays(), batch_size=32)
    with pytest.raises(
        ValueError, match=r"`batch_size` is 32, but .* only 20 .*`batch_size` to 20"
    ):
        data.train_dataloader()
    monkeypatch.setattr("sslkit.data.training.world_size", lambda: 4)
    with pytest.raises(ValueError, match="only 5 training images on each of 4 ranks"):
        ImageDataModule(arrays(), batch_size=6).train_dataloader()


def test_ranks_train_on_different_images(monkeypatch):
    shares = []
    monkeypatch.setattr("sslkit.data.training.world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr("sslkit.data.training.rank", lambda rank=rank: rank)
        shares.append(indices(ImageDataModule(arrays(), batch_size=3).train_dataloader()))
    assert [len(share) for share in shares] == [3, 3]
    assert len({index for share in shares for batch in share for index in batch}) == 18


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "`batch_size` is 0; it must be at least 1"),
        ({"image_size": 0}, "`image_size` is 0"),
        ({"limit": 0}, "`limit` is 0"),
        ({"workers": -1}, "`workers` is -1"),
        ({"resident_gb": -1.0}, r"`resident_gb` is -1\.0"),
        ({"val_fraction": 1.0}, r"`val_fraction` is 1\.0"),
        ({"on_bad_image": "ignore"}, "`on_bad_image` is 'ignore'"),
        ({"std": [0.0]}, r"`std` is \[0\.0\]"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        ImageDataModule("quickstart", **options)


def test_sources_by_import_path():
    parser = ArgumentParser()
    parser.add_class_arguments(ImageDataModule, "data")
    source = {
        "class_path": "torchvision.datasets.FakeData",
        "init_args": {"size": 12, "image_size": [3, 8, 8], "num_classes": 3},
    }
    config = parser.parse_object({"data": {"source": source, "batch_size": 4}})
    data = parser.instantiate(config).data
    data.setup()
    assert (data.splits(), data.channels, data.labelled) == ({"train": 12}, 3, True)
    assert next(iter(data.train_dataloader())).image.shape == (4, 3, 8, 8)


def test_statistics_of_another_number_of_channels():
    with pytest.raises(ValueError, match=r"`mean` has 3 numbers, but the images have 1 channel"):
        ImageDataModule(arrays(), mean=[0.5, 0.5, 0.5]).setup()


@pytest.mark.parametrize("resident_gb", [0, 1])
def test_paths_of_images_in_folders(tmp_path, resident_gb):
    for split in ("train", "test"):
        for name in ("a/1.png", "a/2.png", "b/3.png", "b/4.png"):
            path = tmp_path / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(path)
    options = {"batch_size": 4, "resident_gb": resident_gb, "workers": 0}
    data = ImageDataModule(str(tmp_path), val_fraction=0.5, **options)
    for split in ("train", "val", "train_and_held_out", "test"):
        found = [
            path for batch in data.eval_dataloader(split) for path in data.paths(split, batch.index)
        ]
        folder = tmp_path / ("test" if split == "test" else "train")
        assert len(found) == (2 if split in ("train", "val") else 4)
        assert all(Path(path).is_file() and Path(path).is_relative_to(folder) for path in found)
    assert ImageDataModule(arrays(), batch_size=4).paths("train", torch.arange(2)) is None


SETS = np.random.default_rng(1).random((20, 3)) < 0.4


@pytest.mark.parametrize("resident_gb", [0.0, 2.0])
@pytest.mark.parametrize("listed", [False, True])
def test_several_classes_an_image(resident_gb, listed):
    pictures = Pictures([(Image.fromarray(p), s) for p, s in zip(PIXELS, SETS, strict=True)])
    if listed:
        pictures.targets = SETS.astype(int)
    several = ImageDataModule(pictures, batch_size=4, workers=0, resident_gb=resident_gb)
    several.setup()
    assert (several.labelled, several.label_sets, several.num_classes) == (True, True, 3)
    label = torch.cat([batch.label for batch in several.eval_dataloader("train")])
    assert label.dtype == torch.bool and np.array_equal(label.numpy(), SETS)
    batch = next(iter(several.train_dataloader()))
    assert np.array_equal(batch.label.numpy(), SETS[batch.index])


def test_several_classes_an_image_are_held_out_at_random(caplog):
    source = ImageArrays({"x": PIXELS, "y": SETS})
    with caplog.at_level(logging.INFO):
        data = ImageDataModule(source, val_fraction=0.25, batch_size=4)
        data.setup()
    assert data.splits() == {"train": 15, "val": 5}
    assert "not balanced by class: images have several" in caplog.text
    assert data.evaluation_split() is None and data.labelled
    with pytest.raises(ValueError, match="needs one class an image"):
        ImageDataModule(source, label_fraction=0.5, batch_size=4).setup()


def test_folders_with_tables_share_the_training_classes(tmp_path):
    put(tmp_path, "train/1.png", "train/2.png", "train/3.png", "test/1.png", "test/2.png")
    (tmp_path / "train/labels.csv").write_text("image,classes\n1.png,b;a\n2.png,c\n3.png,\n")
    (tmp_path / "test/labels.csv").write_text("image,classes\n1.png,c;b\n2.png,\n")
    data = ImageDataModule(str(tmp_path), batch_size=2)
    data.setup()
    assert data.classes == ["a", "b", "c"] and data.evaluation_split() == "test"
    (batch,) = data.eval_dataloader("test")
    assert batch.label.int().tolist() == [[0, 1, 1], [0, 0, 0]]
    (tmp_path / "test/labels.csv").write_text("image,classes\n1.png,z\n2.png,\n")
    with pytest.raises(ValueError, match=r"test split has classes .* 'z'"):
        ImageDataModule(str(tmp_path), batch_size=2).eval_dataloader("test")


def test_label_sets_that_are_all_empty_are_none():
    data = ImageDataModule(ImageArrays({"x": PIXELS, "y": np.zeros((20, 3), bool)}), batch_size=4)
    data.setup()
    assert not data.labelled and not data.label_sets and data.num_classes is None
