import pytest
import torch
from PIL import Image

from sslkit.data import CropBatch, ImageDataModule
from sslkit.data.stream import StreamedImages
from sslkit.views import RandomResizedCrop

SIZE, BATCH = 14, 4


@pytest.fixture
def folder(tmp_path):
    for position in range(SIZE):  # of many sizes
        image = Image.linear_gradient("L").rotate(position).resize((20 + position, 30 - position))
        path = tmp_path / "ab"[position % 2] / f"{position:02}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    return str(tmp_path)


def module(folder, *, crops=True, **changes):
    arguments = {"batch_size": BATCH, "workers": 0, "seed": 1, "image_size": 8, "crop": "worker"}
    data = ImageDataModule(folder, **(arguments | changes))
    data.setup()
    if crops:
        crop = RandomResizedCrop(size=8, flip=0.5)
        data.take_crops([crop, crop, RandomResizedCrop(size=4)])
    return data


def epochs(loader, numbers):
    """All batches of some epochs: every tensor of each."""
    found = []
    for number in numbers:
        loader.sampler.set_epoch(number)
        found += [(number, *batch.crops, batch.label, batch.index) for batch in loader]
    return found


def same(a, b):
    return len(a) == len(b) and all(
        one[0] == other[0] and all(map(torch.equal, one[1:], other[1:]))
        for one, other in zip(a, b, strict=True)
    )


def test_workers_crop_each_view_of_images_of_many_sizes(folder):
    loader = module(folder).train_dataloader()
    assert len(loader) == SIZE // BATCH
    batch = next(iter(loader))
    assert isinstance(batch, CropBatch)
    assert [tuple(crop.shape) for crop in batch.crops] == [(4, 1, 8, 8)] * 2 + [(4, 1, 4, 4)]
    assert all(crop.dtype == torch.uint8 for crop in batch.crops)
    assert batch.label.tolist() == [int(index >= SIZE // 2) for index in batch.index]


def test_the_number_of_workers_makes_no_difference(folder):
    alone = epochs(module(folder).train_dataloader(), (0, 1))
    assert same(epochs(module(folder, workers=2).train_dataloader(), (0, 1)), alone)
    assert not same(epochs(module(folder, seed=2).train_dataloader(), (0, 1)), alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_views_go_on_exactly_where_a_run_stopped(folder, workers):
    loader = module(folder).train_dataloader()
    whole = epochs(loader, (0, 1))
    loader.sampler.set_epoch(1)
    next(iter(loader))
    data = module(folder, workers=workers)
    data.load_state_dict({"train": loader.state_dict()})
    assert same(epochs(data.train_dataloader(), (1,)), whole[4:])


def test_training_images_are_not_kept_and_others_are_whole(folder):
    data = module(folder, val_fraction=0.3)
    assert isinstance(data._open()["train"], StreamedImages)
    batch = next(iter(data.eval_dataloader("train")))
    assert batch.image.shape == (4, 1, 8, 8)
    (batch,) = data.val_dataloader()
    assert batch.image.shape == (4, 1, 8, 8)


def test_what_to_crop_must_be_known(folder):
    with pytest.raises(ValueError, match=r"`crop` is worker.*take_crops\(\)"):
        module(folder, crops=False).train_dataloader()


def test_crops_are_of_no_use_where_the_device_crops(folder):
    batch = next(iter(module(folder, crop="device").train_dataloader()))
    assert batch.image.shape == (4, 1, 8, 8)


def test_where_to_crop_is_one_of_two(folder):
    with pytest.raises(ValueError, match="`crop` is 'cpu'; it must be device or worker"):
        ImageDataModule(folder, crop="cpu")
