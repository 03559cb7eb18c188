import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from sslkit.data import ImageArrays, ImageFolder
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.source import fetch, item_name, known_classes, known_labels

IMAGE = np.zeros((2, 2), np.uint8)


class Items:
    """A user's data set: a list, and whatever attributes a test gives it."""

    def __init__(self, items, **attributes):
        self.items = items
        vars(self).update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, position):
        item = self.items[position]
        if isinstance(item, Exception):
            raise item
        return item


def test_items_with_and_without_labels():
    assert fetch(Items([(IMAGE, 3)]), 0)[1] == 3
    assert fetch(Items([IMAGE]), 0) == (IMAGE, -1)
    assert fetch(Items([(IMAGE,)]), 0) == (IMAGE, -1)


def test_items_of_other_forms_are_refused():
    with pytest.raises(DataError, match="Item 0 of Items has 3 parts"):
        fetch(Items([(IMAGE, 1, 2)]), 0)


def test_failing_to_read_is_told_from_other_failures():
    with pytest.raises(UnreadableImageError, match=r"Item 0 of Items cannot be read.*gone"):
        fetch(Items([OSError("gone")]), 0)
    with pytest.raises(KeyError):
        fetch(Items([KeyError("a mistake in the user's own code")]), 0)
    with pytest.raises(MemoryError):
        fetch(Items([MemoryError()]), 0)


@pytest.mark.parametrize(
    "error",
    [
        OSError("gone"),
        SyntaxError("broken PNG file"),
        ValueError("gone"),
        EOFError(),
        struct.error("unpack requires"),
        zlib.error("incorrect header check"),
        Image.DecompressionBombError("too many pixels"),
        Image.UnidentifiedImageError("no image"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_pillow_raises_at_a_damaged_file_is_an_unreadable_image(error):
    why = str(error) or "EOFError"
    with pytest.raises(UnreadableImageError, match=f"Item 0 of Items cannot .*: {why}"):
        fetch(Items([error]), 0)


def test_what_is_wrong_with_the_data_is_passed_on_as_it_is():
    with pytest.raises(DataError, match="mine") as found:
        fetch(Items([DataError("mine")]), 0)
    assert not isinstance(found.value, UnreadableImageError)


def test_a_file_of_a_folder_is_unreadable_whatever_is_raised(tmp_path, monkeypatch):
    Image.new("L", (20, 20)).save(tmp_path / "big.png")
    folder = ImageFolder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(UnreadableImageError, match=r"big\.png cannot be read.*exceeds limit"):
            fetch(folder, 0)
    for raised, expected in ((RuntimeError, UnreadableImageError), (MemoryError, MemoryError)):

        def fail(path, raised=raised):
            raise raised("odd")

        monkeypatch.setattr(Image, "open", fail)
        with pytest.raises(expected, match="odd"):
            fetch(folder, 0)


def test_names_of_items(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "1.png")
    path = str(tmp_path / "b" / "1.png")
    assert item_name(ImageFolder(tmp_path), 1) == path
    assert item_name(datasets.ImageFolder(str(tmp_path)), 1) == path
    assert item_name(ImageArrays({"x": IMAGE[None]}), 0) == "Image 0 in x of The arrays"
    assert item_name(Items([1]), 0) == "Item 0 of Items"


@pytest.mark.parametrize("name", ["labels", "targets"])
@pytest.mark.parametrize("kind", [list, np.asarray, torch.tensor])
def test_labels_known_without_reading(name, kind):
    labels = known_labels(Items([1, 2, 3], **{name: kind([2, 0, 1])}))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"labels": ["a", "b", "c"]},
        {"labels": [0, 1]},
        {"labels": [[0], [0, 1], [2]]},
        {"targets": [0.5, 1.0, 2.0]},
        {"targets": [0, 1, 2], "target_transform": lambda label: 2 - label},
    ],
)
def test_labels_not_known_without_reading(attributes):
    assert known_labels(Items([1, 2, 3], **attributes)) is None


def test_class_names():
    assert known_classes(Items([], classes=["a", "b"])) == ["a", "b"]
    assert known_classes(Items([], classes=[("tench", "Tinca"), ("crane",)])) == [
        "tench, Tinca",
        "crane",
    ]
    assert known_classes(Items([])) is None
    assert known_classes(Items([], classes=10)) is None
