"""Two real ranks under a plain Trainer, which leaves the training sampler alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
import numpy as np, pytorch_lightning as pl, torch
from sslkit.data import ImageArrays, ImageDataModule


class Listener(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.train_seen, self.val_seen = [], []

    def training_step(self, batch, batch_idx):
        self.train_seen.append(batch.index.tolist())
        return self.layer(batch.image.float().mean().reshape(1, 1)).sum()

    def validation_step(self, batch, batch_idx):
        self.val_seen.append(batch.index.tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_end(self):
        with open(f"{sys.argv[1]}/{self.global_rank}.json", "w") as file:
            json.dump([self.train_seen, self.val_seen], file)


arrays = ImageArrays({"x": np.zeros((23, 3, 3), np.uint8), "y": np.arange(23) % 2})
pl.Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False,
    num_sanity_val_steps=0, enable_progress_bar=False, enable_checkpointing=False,
).fit(Listener(), datamodule=ImageDataModule(arrays, val_source=arrays, batch_size=4))
# Neither rank leaves while the other still talks to it, which gloo answers by aborting.
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_ranks_in_a_plain_trainer(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "run.py", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    (train0, val0), (train1, val1) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    assert [len(batch) for batch in train0 + train1] == [4] * 8
    for epoch in (slice(0, 2), slice(2, 4)):
        seen = [index for batch in train0[epoch] + train1[epoch] for index in batch]
        assert len(set(seen)) == 16
    assert train0[:2] != train0[2:]
    assert {index for batch in val0 + val1 for index in batch} == set(range(23))
