import pickle

import torch
from PIL import Image

from sslkit.data import ImageFolder
from sslkit.data.decode import ImageFormat
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.labels import LabelMap
from sslkit.data.resident import load_resident
from sslkit.data.stream import StreamedImages

LABELS = LabelMap(None, None, "training")
WANTED = ImageFormat(channels=3, height=4, width=4, resize=True, convert=True, reference="first")


def store_of(tmp_path, count, bad=(), on_bad_image="error", wanted=WANTED):
    for position in range(count):
        path = tmp_path / f"{position:02}.png"
        if position in bad:
            path.write_text("no image")
        else:
            Image.linear_gradient("L").rotate(position).resize((6, 5)).save(path)
    return StreamedImages(
        source=ImageFolder(tmp_path),
        rows=torch.arange(count),
        wanted=wanted,
        label_map=LABELS,
        labels=torch.full((count,), -1),
        on_bad_image=on_bad_image,
    )


def test_the_same_batches_as_from_memory(tmp_path):
    streamed = store_of(tmp_path, 6)
    resident = load_resident(streamed.source, 6, WANTED, LABELS, "error")
    for mine, theirs in zip(
        streamed.__getitems__([4, 0, 2]).batch, resident.__getitems__([4, 0, 2]).batch, strict=True
    ):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)


def test_subsets_keep_the_positions_in_the_source(tmp_path):
    subset = store_of(tmp_path, 6).subset(torch.tensor([5, 1, 3])).subset(torch.tensor([2, 0]))
    assert len(subset) == len(subset.labels) == 2
    assert subset.__getitems__([0, 1]).batch.index.tolist() == [3, 5]


def test_errors_travel_as_values(tmp_path):
    fetched = store_of(tmp_path, 4, bad=[2]).__getitems__([0, 2])
    assert fetched.batch is None
    error = pickle.loads(pickle.dumps(fetched.error))
    assert isinstance(error, UnreadableImageError)
    assert "02.png cannot be read" in str(error)
    assert "on_bad_image: skip" in str(error)


def test_mixed_sizes_travel_as_values_even_when_skipping(tmp_path):
    fixed = ImageFormat(
        channels=1, height=9, width=9, resize=False, convert=False, reference="first"
    )
    error = store_of(tmp_path, 2, on_bad_image="skip", wanted=fixed).__getitems__([0]).error
    assert isinstance(error, DataError)
    assert "first is 9 x 9 pixels" in str(error)


def test_skip_makes_the_batch_smaller(tmp_path):
    fetched = store_of(tmp_path, 4, bad=[1, 2], on_bad_image="skip").__getitems__([0, 1, 2, 3])
    assert fetched.batch.index.tolist() == [0, 3]
    assert fetched.batch.image.shape == (2, 3, 4, 4)
    assert len(fetched.unreadable) == 2
    assert "01.png" in fetched.unreadable[0]


def test_a_batch_without_any_readable_image_is_an_error(tmp_path):
    store = store_of(tmp_path, 4, bad=[1, 2], on_bad_image="skip")
    assert "2 images of the training split in a row" in str(store.__getitems__([1, 2]).error)


def test_in_training_batches_keep_their_size(tmp_path):
    store = store_of(tmp_path, 8, bad=[1, 2, 5], on_bad_image="skip").replacing()
    fetched = store.__getitems__([0, 1, 2, 3])
    index = fetched.batch.index.tolist()
    assert len(index) == len(fetched.batch.image) == 4
    assert (index[0], index[3]) == (0, 3)
    assert set(index) <= {0, 3, 4, 6, 7}
    assert store.__getitems__([0, 1, 2, 3]).batch.index.tolist() == index


def test_replacements_come_from_the_same_split(tmp_path):
    store = store_of(tmp_path, 8, bad=[1], on_bad_image="skip").subset(torch.tensor([1, 7]))
    assert store.replacing().__getitems__([0]).batch.index.tolist() == [7]


def test_nothing_to_replace_with(tmp_path):
    store = store_of(tmp_path, 2, bad=[0, 1], on_bad_image="skip").replacing()
    assert "in a row cannot be read" in str(store.__getitems__([0]).error)


def test_error_is_not_replaced(tmp_path):
    store = store_of(tmp_path, 2, bad=[0])
    assert store.replacing() is store
