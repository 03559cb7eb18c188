import warnings

import pytest
import torch
from PIL import Image

from sslkit.data import Batch, ImageFolder
from sslkit.data.decode import ImageFormat
from sslkit.data.errors import UnreadableImageError
from sslkit.data.labels import LabelMap
from sslkit.data.loader import ImageLoader
from sslkit.data.resident import ResidentImages
from sslkit.data.sampler import EpochSampler
from sslkit.data.stream import StreamedImages

SIZE, BATCH = 22, 4


def loader(seed=0, size=SIZE, batch_size=BATCH):
    images = torch.zeros(size, 1, 2, 2, dtype=torch.uint8)
    store = ResidentImages(images, torch.zeros(size, dtype=torch.int64), torch.arange(size))
    sampler = EpochSampler(size, rank=0, world_size=1, seed=seed)
    return ImageLoader(store, batch_size=batch_size, sampler=sampler, drop_last=True)


def epoch_of(data, epoch=None):
    if epoch is not None:
        data.sampler.set_epoch(epoch)
    return [batch.index.tolist() for batch in data]


def streamed(tmp_path, bad, on_bad_image):
    for position in range(8):
        path = tmp_path / f"{position}.png"
        if position in bad:
            path.write_text("no image")
        else:
            Image.new("L", (4, 4), position).save(path)
    return StreamedImages(
        source=ImageFolder(tmp_path),
        rows=torch.arange(8),
        wanted=ImageFormat(
            channels=1, height=4, width=4, resize=False, convert=False, reference="0.png"
        ),
        label_map=LabelMap(None, None, "training"),
        labels=None,
        on_bad_image=on_bad_image,
    )


def test_whole_batches_of_an_epoch():
    batches = list(loader())
    assert len(batches) == len(loader()) == SIZE // BATCH
    assert all(isinstance(batch, Batch) and len(batch.image) == BATCH for batch in batches)
    assert len({i for batch in batches for i in batch.index.tolist()}) == SIZE // BATCH * BATCH


def test_the_epoch_is_read_at_the_first_batch_not_at_iter():
    data = loader()
    iterator = iter(data)
    data.sampler.set_epoch(3)
    assert [batch.index.tolist() for batch in iterator] == epoch_of(loader(), 3)


def test_iterating_leaves_the_global_random_state_alone():
    state = torch.get_rng_state()
    list(loader())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("handed_out", range(1, SIZE // BATCH + 1))
def test_it_goes_on_after_the_last_batch_handed_out(handed_out):
    first = loader()
    first.sampler.set_epoch(2)
    iterator = iter(first)
    for _ in range(handed_out):
        next(iterator)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert len(second) == SIZE // BATCH
    assert epoch_of(second) == epoch_of(loader(), 2)[handed_out:]
    assert epoch_of(second, 3) == epoch_of(loader(), 3)


def test_state_is_plain_numbers():
    assert all(type(value) is int for value in loader().state_dict().values())


def test_state_of_a_resumed_loader():
    first = loader()
    iterator = iter(first)
    next(iterator)
    second = loader()
    second.load_state_dict(first.state_dict())
    next(iter(second))
    third = loader()
    third.load_state_dict(second.state_dict())
    assert epoch_of(third) == epoch_of(loader())[2:]


def test_a_skipped_epoch_number_does_not_skip_an_order():
    first = loader()
    list(first)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert epoch_of(second, 2) == epoch_of(loader(), 1)
    third = loader()
    third.load_state_dict(second.state_dict())
    assert epoch_of(third, 3) == epoch_of(loader(), 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 2}, "batch_size was 4, now is 2"),
        ({"size": 30}, "images was 22, now is 30"),
        ({"seed": 5}, "seed was 0, now is 5"),
    ],
)
def test_the_rest_of_an_epoch_cut_differently_is_refused(change, said):
    first = loader()
    next(iter(first))
    with pytest.raises(ValueError, match=said):
        loader(**change).load_state_dict(first.state_dict())


def test_a_finished_epoch_can_be_followed_by_other_batches():
    first = loader()
    list(first)
    second = loader(batch_size=2)
    second.load_state_dict(first.state_dict())
    assert len(epoch_of(second, 1)) == SIZE // 2


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_one_error_with_its_name(tmp_path, workers):
    data = ImageLoader(streamed(tmp_path, {5}, "error"), batch_size=4, num_workers=workers)
    iterator = iter(data)
    assert next(iterator).index.tolist() == [0, 1, 2, 3]
    with pytest.raises(UnreadableImageError) as caught:
        next(iterator)
    assert "5.png cannot be read" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_skipped_images_are_reported_at_once_and_counted_at_the_end(tmp_path):
    data = ImageLoader(streamed(tmp_path, {1, 5, 6}, "skip"), batch_size=4)
    with pytest.warns(UserWarning) as warned:
        assert epoch_of(data) == [[0, 2, 3], [4, 7]]
    assert len(warned) == 2
    assert "1.png cannot be read" in str(warned[0].message)
    assert str(warned[1].message).startswith("3 unreadable images")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert epoch_of(data) == [[0, 2, 3], [4, 7]]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_run_ahead_but_only_what_was_handed_out_counts(tmp_path, persistent):
    def make():
        store = streamed(tmp_path, set(), "error")
        sampler = EpochSampler(8, rank=0, world_size=1, seed=0)
        return ImageLoader(
            store,
            batch_size=1,
            sampler=sampler,
            drop_last=True,
            num_workers=2,
            persistent_workers=persistent,
        )

    whole = make()
    orders = [epoch_of(whole, epoch) for epoch in range(2)]
    assert orders[0] != orders[1]
    first = make()
    iterator = iter(first)
    for _ in range(3):
        next(iterator)
    second = make()
    second.load_state_dict(first.state_dict())
    assert epoch_of(second) == orders[0][3:]
    assert epoch_of(second, 1) == orders[1]
    # An epoch that was left early does not disturb the next one.
    assert epoch_of(first, 1) == orders[1]
