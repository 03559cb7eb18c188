"""Lightning's checkpoints and the loader: a killed run sees the images it would have seen.

A tiny module notes the images of every batch; a run is killed at each possible point and resumed.
"""

import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from tar_files import write_shards

from sslkit.data import ImageArrays, ImageDataModule, TarShards

SIZE, BATCH = 22, 4
BATCHES = SIZE // BATCH
STEPS = 3 * BATCHES


class Killed(Exception):
    pass


class Listener(pl.LightningModule):
    def __init__(self, die_at=None):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.die_at = die_at
        self.seen = []

    def training_step(self, batch, batch_idx):
        if len(self.seen) == self.die_at:
            raise Killed
        self.seen.append((self.current_epoch, batch_idx, batch.index.tolist()))
        return self.layer(batch.image.float().mean().reshape(1, 1)).sum()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAndDie(pl.Callback):
    """Saves in one hook of one epoch, then kills the run."""

    def __init__(self, path, hook, epoch):
        self.path, self.epoch = path, epoch
        setattr(self, hook, self.save_and_die)

    def save_and_die(self, trainer, *_):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)
            raise Killed


def fit(data, *callbacks, ckpt_path=None, die_at=None, **limits):
    model = Listener(die_at)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
        **limits,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return model.seen


def resident(validation=False):
    images = np.random.default_rng(0).integers(0, 256, (SIZE, 3, 3), dtype=np.uint8)
    arrays = ImageArrays({"x": images, "y": np.arange(SIZE) % 2})
    val_source = arrays if validation else None
    return ImageDataModule(arrays, val_source=val_source, batch_size=BATCH, seed=1)


def killed_and_resumed(make_data, folder, after, **limits):
    """What a run sees that was killed one batch after the checkpoint at step ``after``."""
    checkpoint = ModelCheckpoint(
        folder, filename="{step}", every_n_train_steps=after, save_top_k=-1
    )
    with pytest.raises(Killed):
        fit(make_data(), checkpoint, die_at=after + 1, **limits)
    return fit(make_data(), ckpt_path=folder / f"step={after}.ckpt", **limits)


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize(
    "limits", [{"max_epochs": 3}, {"max_steps": STEPS, "max_epochs": -1}], ids=["epochs", "steps"]
)
@pytest.mark.parametrize("after", [2, BATCHES, BATCHES + 3, 2 * BATCHES, STEPS - 2])
def test_resident_data(tmp_path, after, validation, limits):
    whole = fit(resident(validation), **limits)
    assert [batch[:2] for batch in whole] == [(e, b) for e in range(3) for b in range(BATCHES)]
    assert len({str(batch[2]) for batch in whole}) == STEPS
    rest = killed_and_resumed(lambda: resident(validation), tmp_path, after, **limits)
    assert rest == whole[after:]


@pytest.mark.parametrize("after", [2, BATCHES, BATCHES + 3])
def test_streamed_data(tmp_path, after):
    for position in range(SIZE):
        Image.new("L", (4, 4), position).save(tmp_path / f"{position:02}.png")

    def streamed():
        return ImageDataModule(
            str(tmp_path), batch_size=BATCH, workers=2, resident_gb=0, mean=[0.5], std=[0.5], seed=1
        )

    whole = fit(streamed(), max_epochs=3)
    assert whole == fit(resident(), max_epochs=3)
    assert killed_and_resumed(streamed, tmp_path / "run", after, max_epochs=3) == whole[after:]


@pytest.mark.parametrize("after", [2, BATCHES, BATCHES + 3])
def test_shards(tmp_path, after):
    pattern = write_shards(tmp_path, [9, 9, SIZE - 18])

    def sharded():
        shards = TarShards(pattern, shuffle=4)
        return ImageDataModule(
            shards, batch_size=BATCH, workers=2, resident_gb=0, mean=[0.5], std=[0.5], seed=1
        )

    whole = fit(sharded(), max_epochs=3)
    assert len({str(batch[2]) for batch in whole}) == STEPS
    assert killed_and_resumed(sharded, tmp_path / "run", after, max_epochs=3) == whole[after:]


@pytest.mark.parametrize("hook", ["on_train_epoch_end", "on_validation_end"])
@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize(
    "limits",
    [
        {"max_epochs": 3},
        {"max_steps": STEPS, "max_epochs": -1},
        {"max_epochs": 3, "limit_train_batches": 3},
    ],
    ids=["epochs", "steps", "limited"],
)
def test_saved_at_the_end_of_an_epoch(tmp_path, hook, epoch, limits):
    whole = fit(resident(True), **limits)
    path = tmp_path / "end.ckpt"
    with pytest.raises(Killed):
        fit(resident(True), SaveAndDie(path, hook, epoch), **limits)
    done = (epoch + 1) * limits.get("limit_train_batches", BATCHES)
    assert fit(resident(True), ckpt_path=path, **limits) == whole[done:]


def test_killed_twice(tmp_path):
    limits = {"max_steps": STEPS, "max_epochs": -1}
    whole = fit(resident(), **limits)
    end, middle = tmp_path / "end.ckpt", tmp_path / "step=8.ckpt"
    with pytest.raises(Killed):
        fit(resident(), SaveAndDie(end, "on_train_epoch_end", 0), **limits)
    checkpoint = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=8)
    with pytest.raises(Killed):
        fit(resident(), checkpoint, ckpt_path=end, die_at=8 - BATCHES, **limits)
    assert fit(resident(), ckpt_path=middle, **limits) == whole[8:]
