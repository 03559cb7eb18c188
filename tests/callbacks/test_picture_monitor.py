"""Pictures during training: which, when, of what, where to; and that it does not notice."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from labelled import shades
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import METHODS, trainer

from sslkit.callbacks import PictureMonitor
from sslkit.data import ImageArrays, ImageDataModule

pytestmark = pytest.mark.filterwarnings("ignore:.*")
ALL = {"neighbours", "tsne", "feature_maps", "confusion", "spectrum"}


def data(*, labels: bool = True, val: bool = True) -> ImageDataModule:
    if labels:
        return ImageDataModule(shades(32), val_source=shades(24) if val else None, batch_size=16)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
    return ImageDataModule(ImageArrays({"x": pixels}), batch_size=16)


def fit(folder, *callbacks, epochs=1, given=None, **options) -> pl.Trainer:
    pl.seed_everything(1, verbose=False)
    run = trainer(folder, max_epochs=epochs, callbacks=list(callbacks), **options)
    run.fit(METHODS["SimCLR"](), given or data())
    return run


def drawn(folder) -> set[str]:
    return {path.name for path in (folder / "pictures").iterdir()}


def test_every_picture_is_drawn_at_the_end(tmp_path):
    fit(tmp_path, PictureMonitor(), epochs=2)
    assert drawn(tmp_path) == {f"{name}-epoch0002.png" for name in ALL}
    for path in (tmp_path / "pictures").iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 100


def test_in_every_nth_epoch_and_at_the_end_but_not_twice(tmp_path):
    names = []

    class Few(PictureMonitor):
        def _figures(self, data, pl_module):
            names.append(self._epochs)
            return {}

    fit(tmp_path, Few(every_n_epochs=2), epochs=5)
    assert names == [2, 4, 5]
    names.clear()
    fit(tmp_path, Few(every_n_epochs=2), epochs=4)
    assert names == [2, 4]


@pytest.mark.parametrize(
    ("given", "missing"),
    [(data(val=False), {"confusion"}), (data(labels=False), {"confusion"})],
)
def test_without_validation_images_or_labels_there_is_no_confusion_matrix(tmp_path, given, missing):
    fit(tmp_path, PictureMonitor(train_images=20), given=given)
    assert drawn(tmp_path) == {f"{name}-epoch0001.png" for name in ALL - missing}


def test_images_of_several_classes_have_all_but_the_confusions(tmp_path):
    several = shades(32)
    several.labels = torch.nn.functional.one_hot(several.labels).bool()
    for number, val in enumerate((several, shades(24))):
        given = ImageDataModule(several, val_source=val, batch_size=16)
        fit(tmp_path / str(number), PictureMonitor(), given=given)
        expected = {f"{name}-epoch0001.png" for name in ALL - {"confusion"}}
        assert drawn(tmp_path / str(number)) == expected


def test_the_run_is_bit_identical_without_it(tmp_path):
    pictures = PictureMonitor(["neighbours", "tsne", "confusion"], every_n_epochs=1)
    ends = []
    for callbacks in ([], [pictures]):
        run = fit(tmp_path, *callbacks, epochs=2)
        ends.append((run.lightning_module.state_dict(), torch.get_rng_state()))
    (plain, rng), (watched, other) = ends
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert torch.equal(rng, other)


def test_tensorboard_shows_them_once_an_epoch(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="board")
    pictures = PictureMonitor(["neighbours", "spectrum"], every_n_epochs=1)
    fit(tmp_path, pictures, epochs=2, logger=logger)
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0}).Reload()
    assert set(events.Tags()["images"]) == {"pictures/neighbours", "pictures/spectrum"}
    assert [event.step for event in events.Images("pictures/spectrum")] == [2, 4]
    with Image.open(tmp_path / logger.log_dir / "pictures/spectrum-epoch0002.png") as picture:
        shown = events.Images("pictures/spectrum")[1]
        assert (shown.width, shown.height) == picture.size


def test_says_what_is_wrong(watch):
    with pytest.raises(ValueError, match=r"draws neighbours, tsne, .* got \['umap'\]"):
        PictureMonitor(["tsne", "umap"])
    with pytest.raises(ValueError, match="got none of them"):
        PictureMonitor([])
    for name in ("every_n_epochs", "train_images", "val_images"):
        with pytest.raises(ValueError, match=f"{name} of at least 1, got 0"):
            PictureMonitor(**{name: 0})
    with pytest.raises(ValueError, match="PictureMonitor shows un-augmented images"):
        watch(PictureMonitor())
