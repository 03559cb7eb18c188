import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import IterableDataset

from sslkit.data import ImageArrays, ImageFolder
from sslkit.data.splits import open_splits

GREY = np.zeros((5, 4, 4), np.uint8)


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(path)
    return str(root)


def sizes(*args, **options):
    return {split: len(source) for split, source in open_splits(*args, **options).items()}


def test_the_word_quickstart():
    assert sizes("quickstart") == {"train": 5000, "test": 1000}


def test_an_array_file(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=GREY, x_val=GREY[:2])
    assert sizes(str(tmp_path / "a.npz")) == {"train": 5, "val": 2}


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("val", ["val", "valid", "validation", "Valid"])
@pytest.mark.parametrize("test", ["test", "testing", "TEST"])
def test_a_folder_of_splits(tmp_path, train, val, test):
    names = ("{}/a/1.png", "{}/a/2.png", "{}/a/3.png", "{}/b/1.png", "{}/b/2.png")
    root = put(tmp_path, *(name.format(train) for name in names))
    put(tmp_path, *(name.format(val) for name in names[1:]), f"{test}/1.png")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "classes.txt").write_text("a b")
    assert sizes(root) == {"train": 5, "val": 4, "test": 1}


def test_training_and_validation_folders_are_no_classes(tmp_path):
    splits = open_splits(put(tmp_path, "train/a/1.png", "train/b/1.png", "valid/a/1.png"))
    assert list(splits) == ["train", "val"]
    assert splits["train"].classes == ["a", "b"]


def test_a_folder_with_only_a_training_split(tmp_path):
    assert sizes(put(tmp_path, "train/1.png", "train/2.png")) == {"train": 2}


def test_train_can_be_the_name_of_a_class(tmp_path):
    splits = open_splits(put(tmp_path, "car/1.png", "plane/1.png", "train/1.png"))
    assert list(splits) == ["train"]
    assert splits["train"].classes == ["car", "plane", "train"]


@pytest.mark.parametrize("lone", ["train", "test", "Valid"])
def test_a_lone_split_with_classes_beside_other_folders_is_refused(tmp_path, lone):
    others = [f"class {number}/1.png" for number in range(7)]
    root = put(tmp_path, f"{lone}/a/1.png", f"{lone}/b/1.png", *others)
    with pytest.raises(ValueError, match=rf"{lone}/, which has folders of images.*class 0/, .*2 m"):
        open_splits(root)


def test_folders_that_are_no_splits_are_not_dropped_silently(tmp_path):
    root = put(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png", "unlabeled/1.png")
    with pytest.warns(UserWarning, match=r"images in unlabeled/ as well.*only train/, test/ are"):
        assert sizes(root) == {"train": 2, "test": 1}


def test_images_beside_splits_are_not_dropped_silently(tmp_path):
    root = put(tmp_path, "train/1.png", "2.png", "3.png")
    with pytest.warns(UserWarning, match=r"directly inside \(2\) as well.*only train/ are"):
        assert sizes(root) == {"train": 1}


@pytest.mark.filterwarnings("error")
def test_a_table_beside_splits_is_not_dropped_silently(tmp_path):
    put(tmp_path, "train/1.png", "test/1.png")
    (tmp_path / "labels.csv").write_text("image,class\ntrain/1.png,a\n")
    with pytest.warns(UserWarning, match=r"labels\.csv is not read, as train/, test/ are splits"):
        splits = open_splits(str(tmp_path))
    assert splits["train"].labels.tolist() == [-1]


def test_a_link_back_is_no_folder_of_images_beside_a_split(tmp_path):
    root = put(tmp_path, "train/a/1.png", "train/b/1.png")
    (tmp_path / "self").symlink_to(tmp_path)
    assert sizes(root) == {"train": 2}


def test_a_folder_in_the_working_directory(tmp_path, monkeypatch):
    put(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png")
    monkeypatch.chdir(tmp_path)
    assert sizes(".") == {"train": 2, "test": 1}


def test_a_folder_of_classes_is_the_training_split(tmp_path):
    splits = open_splits(put(tmp_path, "a/1.png", "b/1.png"))
    assert isinstance(splits["train"], ImageFolder)
    assert list(splits) == ["train"]


def test_a_data_set_is_the_training_split():
    arrays = ImageArrays({"x": GREY})
    assert open_splits(arrays) == {"train": arrays}


def test_other_sources_for_validation_and_test(tmp_path):
    train = put(tmp_path / "mine", "train/1.png", "train/2.png", "val/1.png", "val/2.png")
    whole = put(tmp_path / "whole", "1.png", "2.png", "3.png")
    found = sizes(train, val_source=whole, test_source=ImageArrays({"x": GREY}))
    assert found == {"train": 2, "val": 3, "test": 5}
    other = put(tmp_path / "other", "train/1.png", "val/1.png")
    assert sizes(train, val_source=other)["val"] == 1


def test_another_source_without_that_split(tmp_path):
    with pytest.raises(ValueError, match=r"`val_source` is 'quickstart'.*train and test.*no val"):
        open_splits("quickstart", val_source="quickstart")


def test_no_training_images(tmp_path):
    with pytest.raises(ValueError, match="val and test images but no training images"):
        open_splits(put(tmp_path, "val/1.png", "test/1.png"))


def test_two_validation_folders(tmp_path):
    with pytest.raises(ValueError, match=r"both val(idation)?/ and val(idation)?/"):
        open_splits(put(tmp_path, "train/1.png", "val/1.png", "validation/1.png"))


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`source` is '.*absent'.*does not exist"):
        open_splits(str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="`test_source`"):
        open_splits("quickstart", test_source=str(tmp_path / "absent"))


def test_empty_training_folder(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match=r"train holds no images\. It is empty"):
        open_splits(str(tmp_path))


def test_unsupported_file(tmp_path):
    (tmp_path / "data.rar").write_text("")
    with pytest.raises(ValueError, match=r"a file that is not \.npz"):
        open_splits(str(tmp_path / "data.rar"))


def test_what_cannot_be_indexed_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([torch.zeros(1, 2, 2, dtype=torch.uint8)])

    with pytest.raises(TypeError, match="`source` is a Stream"):
        open_splits(Stream())
    with pytest.raises(TypeError, match="`source` is a int"):
        open_splits(3)
    with pytest.raises(ValueError, match="of 0 images"):
        open_splits([])
