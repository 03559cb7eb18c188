import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from tiny import METHODS, trainer

from sslkit.data import CropBatch, ImageDataModule, ViewBatch
from sslkit.methods.worker_crops import AfterCrop, share_crops
from sslkit.seeding import counter_generator
from sslkit.views import (
    HorizontalFlip,
    RandomGrayscale,
    RandomResizedCrop,
    SimCLRViews,
    Solarize,
    View,
    Views,
)


@pytest.fixture
def folder(tmp_path):
    for position in range(24):  # of many sizes
        image = Image.effect_noise((20 + position, 40 - position), 60).convert("RGB")
        path = tmp_path / "images" / "ab"[position % 2] / f"{position:02}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        image.save(path)
    return str(tmp_path / "images")


def data_of(folder, **changes):
    arguments = {"batch_size": 8, "workers": 0, "image_size": 16, "crop": "worker", "seed": 1}
    return ImageDataModule(folder, **(arguments | changes))


class Views16(pl.Callback):
    """The views of every batch."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(batch)


def test_what_follows_the_crop_is_done_on_the_device():
    views = Views([View([RandomResizedCrop(size=6), Solarize(probability=1.0)])] * 2)
    views.set_statistics([0.25] * 3, [0.5] * 3)
    crops = [torch.randint(256, (4, 3, 6, 6), dtype=torch.uint8) for _ in range(2)]
    after = AfterCrop(views)
    made = after(crops, counter_generator(1))
    for crop, view in zip(crops, made, strict=True):
        x = crop.float() / 255
        expected = (torch.where(x >= 0.5, 1 - x, x) - 0.25) / 0.5
        torch.testing.assert_close(view, expected)
        assert view.dtype == torch.float32
    assert after.state_dict() == {}


def test_they_come_in_the_dtype_of_the_views():
    views = SimCLRViews(size=6)
    crops = [torch.randint(256, (4, 3, 6, 6), dtype=torch.uint8)] * 2
    exact = AfterCrop(views)(crops, counter_generator(1))
    for view, rounded in zip(
        exact, AfterCrop(views.to(torch.bfloat16))(crops, counter_generator(1)), strict=True
    ):
        assert torch.equal(rounded, view.bfloat16())


def test_draws_differ_between_views_and_repeat():
    views = SimCLRViews(size=6)
    crops = [torch.randint(256, (8, 3, 6, 6), dtype=torch.uint8)] * 2
    first, second = AfterCrop(views)(crops, counter_generator(1))
    assert not torch.equal(first, second)
    again, _ = AfterCrop(views)(crops, counter_generator(1))
    assert torch.equal(first, again)


def test_a_view_of_a_crop_alone_is_the_crop():
    crops = [torch.randint(256, (2, 3, 6, 6), dtype=torch.uint8)]
    (view,) = AfterCrop(Views([View([RandomResizedCrop(size=6)])]))(crops, counter_generator(1))
    torch.testing.assert_close(view, crops[0] / 255)


@pytest.mark.parametrize("data", [None, object(), "device"])
def test_other_data_is_told_nothing(folder, data):
    data = data_of(folder, crop="device") if data == "device" else data
    assert share_crops(SimCLRViews(size=16), data) is None


def test_views_that_do_not_begin_with_a_crop(folder):
    crop = RandomResizedCrop(size=16)
    views = Views([View([crop, RandomGrayscale()]), View([HorizontalFlip(), crop])])
    with pytest.raises(ValueError, match=r"view 2 begins with HorizontalFlip.*`data.crop`"):
        share_crops(views, data_of(folder))


def test_a_method_trains_on_crops_of_workers_and_resumes_exactly(tmp_path, folder):
    def fit(epochs, **options):
        pl.seed_everything(0, verbose=False)
        method, watch = METHODS["SimCLR"](), Views16()
        run = trainer(tmp_path, max_epochs=epochs, callbacks=[watch], enable_checkpointing=True)
        run.fit(method, datamodule=data_of(folder), weights_only=True, **options)
        return run, method, watch.seen

    run, _, _ = fit(1)
    run.save_checkpoint(tmp_path / "one.ckpt")
    _, whole, seen = fit(2)
    _, again, rest = fit(2, ckpt_path=tmp_path / "one.ckpt")
    assert (len(seen), len(rest)) == (6, 3)
    for one, other in zip(seen[3:], rest, strict=True):
        assert isinstance(one, ViewBatch)
        assert [tuple(view.shape) for view in one.views] == [(8, 3, 16, 16)] * 2
        assert all(map(torch.equal, one.views, other.views))
        assert torch.equal(one.index, other.index)
    assert all(map(torch.equal, whole.parameters(), again.parameters()))


def test_a_batch_of_crops_without_the_data_module_is_refused(tmp_path):
    crops = [torch.zeros(2, 3, 16, 16, dtype=torch.uint8)] * 2
    label = index = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(TypeError, match="which sslkit cannot read"):
        method = METHODS["SimCLR"](lr_scaling="none")
        trainer(tmp_path).fit(method, [CropBatch(crops, label, index)])
