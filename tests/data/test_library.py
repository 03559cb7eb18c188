import gc
import logging
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from sslkit.data import ImageArrays, ImageFolder
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.library import Library, LibraryOptions, is_labelled
from sslkit.data.resident import ResidentImages
from sslkit.data.stream import StreamedImages


def options(**changes):
    defaults = {
        "val_fraction": 0.0,
        "image_size": None,
        "channels": None,
        "limit": None,
        "resident_bytes": 1e9,
        "on_bad_image": "error",
    }
    return LibraryOptions(**(defaults | changes))


def arrays(size=20, classes=4, shape=(4, 4)):
    images = np.zeros((size, *shape), np.uint8)
    return ImageArrays({"x": images, "y": np.arange(size) % classes})


class Plain(torch.utils.data.Dataset):
    """A user's data set that tells nothing beforehand."""

    def __init__(self, source, **attributes):
        self.source = source
        vars(self).update(attributes)

    def __len__(self):
        return len(self.source)

    def __getitem__(self, position):
        return self.source[position]


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(path)
    return ImageFolder(root)


def test_the_format_comes_from_the_first_image():
    library = Library({"train": arrays(shape=(4, 6, 2))}, options(), 0)
    assert library.wanted.shape == (2, 4, 6)
    library = Library({"train": arrays()}, options(image_size=8, channels=3), 0)
    assert library.wanted.shape == library["train"].images.shape[1:] == (3, 8, 8)


def test_the_format_comes_from_the_first_readable_image(tmp_path):
    (tmp_path / "0.png").write_text("no image")
    folder = put(tmp_path, "1.png", "2.png")
    with pytest.raises(UnreadableImageError, match=r"0\.png.*on_bad_image: skip"):
        Library({"train": folder}, options(), 0)
    with pytest.warns(UserWarning, match="Left out 1 unreadable of 3"):
        assert Library({"train": folder}, options(on_bad_image="skip"), 0).wanted.height == 4
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    with pytest.raises(UnreadableImageError, match=r"None of the first 1 training .*0\.png"):
        Library({"train": ImageFolder(tmp_path)}, options(on_bad_image="skip"), 0)


@pytest.mark.parametrize(
    ("budget", "kinds"),
    [
        (20 * 16 + 20 * 16, (ResidentImages, ResidentImages)),
        (20 * 16 + 20 * 16 - 1, (ResidentImages, StreamedImages)),
        (20 * 16 - 1, (StreamedImages, StreamedImages)),
    ],
)
def test_the_memory_is_shared_by_all_splits(budget, kinds):
    library = Library({"train": arrays(), "val": arrays()}, options(resident_bytes=budget), 0)
    assert (type(library["train"]), type(library["val"])) == kinds
    assert library["val"] is library["val"]


@pytest.mark.parametrize("resident_bytes", [1e9, 0])
def test_number_of_classes(tmp_path, resident_bytes):
    given = options(resident_bytes=resident_bytes)
    folder = put(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    library = Library({"train": folder}, given, 0)
    assert (library.num_classes, library.classes) == (3, ["a", "b", "c"])
    library = Library({"train": arrays()}, given, 0)
    assert (library.num_classes, library.classes) == (4, None)
    library = Library({"train": ImageArrays({"x": np.zeros((3, 4, 4), np.uint8)})}, given, 0)
    assert library.num_classes is None
    assert not is_labelled(library["train"])


def test_labels_that_only_reading_tells():
    assert Library({"train": Plain(arrays())}, options(), 0).num_classes == 4
    streamed = Library({"train": Plain(arrays())}, options(resident_bytes=0), 0)
    assert streamed.num_classes is None
    assert is_labelled(streamed["train"])


def test_limit_keeps_the_first_and_warns_of_lost_classes(tmp_path):
    folder = put(tmp_path, "a/1.png", "a/2.png", "a/3.png", "b/1.png")
    with pytest.warns(UserWarning, match="first 3 training images, .* only 1 of 2 classes"):
        library = Library({"train": folder}, options(limit=3), 0)
    assert library.num_classes == 2
    assert library["train"].rows.tolist() == [0, 1, 2]
    assert library.sizes() == {"train": 3}


@pytest.mark.parametrize("resident_bytes", [1e9, 0])
def test_hold_out_after_limit(resident_bytes):
    given = options(val_fraction=0.25, limit=16, resident_bytes=resident_bytes)
    library = Library({"train": arrays(), "test": arrays(3)}, given, 0)
    assert library.sizes() == {"train": 12, "val": 4, "test": 3}
    train, val = library["train"].rows.tolist(), library["val"].rows.tolist()
    assert sorted(train + val) == list(range(16))
    assert sorted(library["val"].labels.tolist()) == [0, 1, 2, 3]
    again = Library({"train": arrays()}, given, 0)["val"].rows.tolist()
    other = [Library({"train": arrays()}, given, seed)["val"].rows.tolist() for seed in (1, 2)]
    assert val == again
    assert other != [val, val]


def said(caplog, *args):
    caplog.clear()
    with caplog.at_level(logging.INFO):
        library = Library(*args)
    return library, [line for line in caplog.messages if "`val_fraction`" in line]


def test_hold_out_where_labels_are_known_only_by_reading(caplog):
    given = options(val_fraction=0.25, resident_bytes=0)
    source = Plain(arrays(), classes=["a", "b", "c", "d"])
    library, lines = said(caplog, {"train": source}, given, 0)
    assert library.sizes() == {"train": 15, "val": 5}
    assert len(lines) == 1 and "at random, not balanced by class" in lines[0]
    assert is_labelled(library["val"])


def test_the_reason_for_holding_out_nothing_is_true(caplog):
    given = options(val_fraction=0.25, resident_bytes=0)
    library, lines = said(caplog, {"train": Plain(arrays())}, given, 0)
    assert library.sizes() == {"train": 20}
    assert len(lines) == 1 and "known only by reading" in lines[0] and "`classes`" in lines[0]
    bare = Plain(ImageArrays({"x": np.zeros((20, 4, 4), np.uint8)}))
    library, lines = said(caplog, {"train": bare}, given, 0)
    assert library.sizes() == {"train": 20}
    assert len(lines) == 1 and "without labels there is nothing to validate" in lines[0]


def test_only_labelled_images_are_held_out():
    labels = np.where(np.arange(40) < 20, np.arange(40) % 2, -1)
    source = ImageArrays({"x": np.zeros((40, 4, 4), np.uint8), "y": labels})
    library = Library({"train": source}, options(val_fraction=0.2), 0)
    assert sorted(library["val"].labels.tolist()) == [0, 0, 1, 1]
    assert len(library["train"]) == 36


def test_nothing_that_could_be_held_out():
    with pytest.raises(ValueError, match=r"`val_fraction` is 0\.5, but no class has two training"):
        Library({"train": arrays(4)}, options(val_fraction=0.5), 0)


def test_a_source_is_let_go_when_its_images_are_in_memory():
    sources = {"train": arrays(shape=(4, 4, 3)), "test": arrays(shape=(4, 4, 3))}
    held = {split: weakref.ref(source) for split, source in sources.items()}
    library = Library(sources, options(val_fraction=0.5), 0)
    del sources
    gc.collect()
    assert held["train"]() is None and held["test"]() is not None
    assert library.sizes() == {"train": 12, "val": 8, "test": 20}
    assert len(library["test"]) == 20
    gc.collect()
    assert held["test"]() is None
    assert "test" in library
    assert library.sizes()["test"] == 20
    streamed = Library({"train": arrays()}, options(resident_bytes=0), 0)
    assert len(streamed["train"].source) == 20


def test_a_validation_split_makes_the_hold_out_needless():
    library = Library({"train": arrays(), "val": arrays(3)}, options(val_fraction=0.5), 0)
    assert library.sizes() == {"train": 20, "val": 3}


@pytest.mark.parametrize("resident_bytes", [1e9, 0])
def test_other_splits_take_the_training_classes(tmp_path, resident_bytes):
    train = put(tmp_path / "train", "ant/1.png", "bee/1.png", "cat/1.png")
    val = put(tmp_path / "val", "bee/1.png", "cat/1.png", "cat/2.png")
    given = options(resident_bytes=resident_bytes)
    library = Library({"train": train, "val": val}, given, 0)
    assert library["val"].labels.tolist() == [1, 2, 2]
    assert library["val"].__getitems__([0, 2]).batch.label.tolist() == [1, 2]
    strange = put(tmp_path / "test", "bee/1.png", "elk/1.png")
    with pytest.raises(DataError, match=r"test split has classes .*'elk'"):
        Library({"train": train, "test": strange}, given, 0)["test"]
    with pytest.raises(DataError, match=r"val split has the label 4.*only 4 classes"):
        Library({"train": arrays(), "val": arrays(classes=5)}, given, 0)["val"]


def test_other_splits_take_the_training_size():
    library = Library({"train": arrays(), "test": arrays(shape=(5, 5))}, options(), 0)
    with pytest.raises(DataError, match=r"mixed sizes: Image 0 in x .* is 4 x 4"):
        library["test"]
