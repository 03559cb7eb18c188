import numpy as np
import pytest
import torch

from sslkit.data import ImageArrays
from sslkit.data.arrays import array_splits

GREY = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
COLOUR = np.arange(5 * 2 * 3 * 4, dtype=np.uint8).reshape(5, 2, 3, 4)
LABELS = np.array([0, 1, 2, 1, 0], dtype=np.uint8)


def test_greyscale_needs_no_copy():
    arrays = ImageArrays({"x_train": GREY, "y_train": LABELS})
    assert arrays.tensor().shape == (5, 1, 2, 3)
    assert arrays.tensor().data_ptr() == GREY.ctypes.data
    assert arrays.labels.dtype == torch.int64
    assert arrays.labels.tolist() == [0, 1, 2, 1, 0]


def test_channels_move_to_the_front():
    arrays = ImageArrays({"x": COLOUR})
    assert arrays.tensor().is_contiguous()
    assert np.array_equal(arrays.tensor()[3, 2], COLOUR[3, :, :, 2])
    image, label = arrays[3]
    assert np.array_equal(image, COLOUR[3])
    assert label == -1


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("x", "y"),
        ("images", "labels"),
    ],
)
def test_names_of_the_training_arrays(tmp_path, keys):
    np.savez(tmp_path / "a.npz", **{keys[0]: GREY, keys[1]: LABELS[:, None]})
    arrays = ImageArrays(tmp_path / "a.npz")
    assert len(arrays) == 5
    assert arrays.labels.tolist() == LABELS.tolist()


def test_the_splits_of_a_file(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x_train=GREY, x_test=GREY[:2], y_test=LABELS[:2])
    splits = array_splits(tmp_path / "a.npz")
    assert {name: len(split) for name, split in splits.items()} == {"train": 5, "test": 2}
    assert splits["train"].labels.tolist() == [-1] * 5
    assert splits["test"].labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": GREY.astype(np.float32)}, "float32.*uint8"),
        ({"x": GREY[0]}, r"\(2, 3\)"),
        ({"x": GREY[:0]}, "is empty"),
        ({"x": np.zeros((5, 3, 8, 8), np.uint8)}, r"looks like \(N, C, H, W\)"),
        ({"x": GREY, "y": LABELS[:3]}, r"y of .*\(3,\).*each of the 5"),
        ({"x": GREY, "y": LABELS.astype(float)}, "whole numbers"),
        ({"z": GREY}, r"no train split: it holds \['z'\]"),
    ],
)
def test_arrays_that_cannot_be_used(arrays, said):
    with pytest.raises(ValueError, match=said):
        ImageArrays(arrays)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_several_classes_an_image(tmp_path, dtype):
    sets = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]], dtype)
    np.savez(tmp_path / "a.npz", x_train=GREY, y_train=sets)
    arrays = ImageArrays(tmp_path / "a.npz")
    assert arrays.labels.dtype == torch.bool
    assert np.array_equal(arrays.labels.numpy(), sets)
    assert arrays[3][1].tolist() == [True] * 3
    with pytest.raises(ValueError, match=r"y of .* has the number 7"):
        ImageArrays({"x": GREY, "y": 7 * sets.astype(np.int64)})


def test_unknown_split():
    with pytest.raises(ValueError, match="`split` is 'dev'"):
        ImageArrays({"x": GREY}, "dev")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.npz"):
        ImageArrays(tmp_path / "absent.npz")


def test_files_that_are_no_npz(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ValueError, match=r"text\.npz cannot be read"):
        ImageArrays(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", GREY)
    with pytest.raises(ValueError, match=r"one\.npy is no \.npz"):
        ImageArrays(tmp_path / "one.npy")
    np.savez(tmp_path / "other.npz", weights=GREY)
    with pytest.raises(ValueError, match=r"holds \['weights'\], which name no images"):
        array_splits(tmp_path / "other.npz")


def test_pickled_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"x of .*cannot be read"):
        ImageArrays(tmp_path / "a.npz")
