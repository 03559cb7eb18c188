"""A killed run sees the very images that an uninterrupted one would have seen."""

import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch.utils.data import Dataset

from sslkit.data import ImageArrays, ImageDataModule

SIZE, BATCH = 22, 4
BATCHES = SIZE // BATCH


class Listener(pl.LightningModule):
    """Notes (epoch, indices) of each batch; stops the run after ``die_after`` batches."""

    def __init__(self, die_after=None):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.die_after = die_after
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch_idx, batch.index.tolist()))
        return self.layer(batch.image.float().mean().reshape(1, 1)).sum()

    def validation_step(self, batch, batch_idx):
        pass

    def on_train_batch_start(self, batch, batch_idx):
        if self.die_after is not None and len(self.seen) == self.die_after:
            raise KeyboardInterrupt

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Killed(Exception):
    pass


class SaveThenDie(pl.Callback):
    """Saves after so many batches, reads on for one more batch, then dies."""

    def __init__(self, path, after):
        self.path, self.after, self.steps = path, after, 0

    def on_train_batch_end(self, trainer, *_):
        self.steps += 1
        if self.steps == self.after:
            trainer.save_checkpoint(self.path)
        if self.steps == self.after + 1:
            raise Killed

    def on_train_end(self, trainer, *_):
        raise Killed


def fit(data, callbacks=(), ckpt_path=None, **limits):
    model = Listener()
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
        **limits,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return model.seen


def resumed_matches(make_data, tmp_path, after, **limits):
    whole = fit(make_data(), **limits)
    path = tmp_path / f"after_{after}.ckpt"
    with pytest.raises(Killed):
        fit(make_data(), [SaveThenDie(path, after)], **limits)
    rest = fit(make_data(), ckpt_path=path, **limits)
    assert rest == whole[after:]


def resident(val=False):
    images = np.random.default_rng(0).integers(0, 256, (SIZE, 3, 3), dtype=np.uint8)
    arrays = ImageArrays({"x": images, "y": np.arange(SIZE) % 2})
    return ImageDataModule(arrays, val_source=arrays if val else None, batch_size=BATCH, seed=1)


@pytest.mark.parametrize("after", range(1, 3 * BATCHES))
@pytest.mark.parametrize("val", [False, True])
@pytest.mark.parametrize("limits", [{"max_epochs": 3}, {"max_steps": 3 * BATCHES, "max_epochs": -1}])
def test_resume_at_any_batch(tmp_path, after, val, limits):
    resumed_matches(lambda: resident(val), tmp_path, after, **limits)
