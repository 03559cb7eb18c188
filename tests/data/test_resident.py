import numpy as np
import pytest
import torch
from PIL import Image

from sslkit.data import Batch, ImageArrays, ImageFolder
from sslkit.data.decode import ImageFormat
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.labels import LabelMap
from sslkit.data.resident import ResidentImages, load_resident

LABELS = LabelMap(None, None, "training")


def wanted(channels=1, size=4, resize=False, convert=False):
    return ImageFormat(
        channels=channels,
        height=size,
        width=size,
        resize=resize,
        convert=convert,
        reference="first",
    )


def folder_of(tmp_path, count, bad=()):
    for position in range(count):
        path = tmp_path / f"{position:02}.png"
        if position in bad:
            path.write_text("no image")
        else:
            Image.new("L", (4, 4), position).save(path)
    return ImageFolder(tmp_path)


def test_batches_are_gathered_in_bulk():
    images = torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1)
    store = ResidentImages(images, torch.arange(6) * 10, torch.tensor([5, 3, 1]))
    batch, unreadable, error = store.__getitems__([2, 0])
    assert isinstance(batch, Batch)
    assert batch.image.flatten().tolist() == [1, 5]
    assert batch.label.tolist() == [10, 50]
    assert batch.index.tolist() == [1, 5]
    assert (unreadable, error) == ([], None)
    assert (int(store[1][0]), store[1][1]) == (3, 30)


def test_subsets_share_the_memory():
    images = torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1)
    store = ResidentImages(images, torch.arange(6), torch.tensor([5, 3, 1]))
    subset = store.subset(torch.tensor([2, 1])).subset(torch.tensor([1]))
    assert subset.images.data_ptr() == images.data_ptr()
    assert subset.rows.tolist() == subset.labels.tolist() == [3]


def test_a_folder_is_decoded_in_order(tmp_path):
    store = load_resident(folder_of(tmp_path, 30), 30, wanted(), LABELS, "error")
    assert store.images[:, 0, 0, 0].tolist() == list(range(30))
    assert store.rows.tolist() == list(range(30))


def test_only_the_first_images_are_read(tmp_path):
    store = load_resident(folder_of(tmp_path, 5, bad=[4]), 3, wanted(), LABELS, "error")
    assert len(store) == 3


def test_arrays_are_used_without_a_copy():
    images = np.zeros((5, 4, 4), np.uint8)
    store = load_resident(ImageArrays({"x": images}), 5, wanted(), LABELS, "error")
    assert store.images.data_ptr() == images.ctypes.data


def test_a_part_of_the_arrays_does_not_hold_the_rest():
    images = np.arange(80, dtype=np.uint8).reshape(5, 4, 4)
    store = load_resident(ImageArrays({"x": images}), 3, wanted(), LABELS, "error")
    assert store.images.untyped_storage().nbytes() == 48
    assert store.images.flatten().tolist() == list(range(48))


def test_arrays_are_converted_in_bulk_as_one_by_one():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 12), dtype=np.uint8)
    arrays = ImageArrays({"x": images, "y": np.arange(5)})
    to = wanted(channels=3, resize=True, convert=True)
    bulk = load_resident(arrays, 5, to, LABELS, "error")
    singly = load_resident([arrays[i] for i in range(5)], 5, to, LABELS, "error")
    assert bulk.images.shape == (5, 3, 4, 4)
    assert torch.equal(bulk.images, singly.images)
    assert torch.equal(bulk.labels, singly.labels)


def test_error_names_the_file(tmp_path):
    folder = folder_of(tmp_path, 4, bad=[2])
    with pytest.raises(UnreadableImageError, match=r"02\.png cannot be read.*on_bad_image: skip"):
        load_resident(folder, 4, wanted(), LABELS, "error")


def test_skip_leaves_out_counts_and_reports_once(tmp_path):
    folder = folder_of(tmp_path, 8, bad=[0, 2, 3, 5])
    with pytest.warns(UserWarning, match=r"Left out 4 unreadable of 8.*00\.png.*03\.png.*\.\.\.$"):
        store = load_resident(folder, 8, wanted(), LABELS, "skip")
    assert store.rows.tolist() == [1, 4, 6, 7]
    assert store.__getitems__([1]).batch.image.unique().tolist() == [4]


def test_nothing_readable(tmp_path):
    folder = folder_of(tmp_path, 2, bad=[0, 1])
    with pytest.raises(UnreadableImageError, match=r"None of the 2 images.*00\.png"):
        load_resident(folder, 2, wanted(), LABELS, "skip")


def test_mixed_sizes_are_not_skipped(tmp_path):
    folder_of(tmp_path, 2)
    Image.new("L", (5, 4)).save(tmp_path / "9.png")
    with pytest.raises(DataError, match=r"mixed sizes: first is 4 x 4 pixels, .*9\.png is 5 x 4"):
        load_resident(ImageFolder(tmp_path), 3, wanted(), LABELS, "skip")
