"""A run on two processes writes one run folder and ends with one set of weights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

OPTIONS = [
    "--trainer.accelerator=cpu",
    "--trainer.devices=2",
    "--trainer.strategy=ddp",
    "--trainer.precision=32-true",
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--data.limit=256",
    "--data.batch_size=32",
    "--model.encoder.options={layers: [1, 1, 1, 1], channels: [8, 8, 8, 8]}",
]


@pytest.mark.slow
def test_fit_on_two_cpu_processes(tmp_path):
    command = [sys.executable, "-m", "sslkit", "fit", "--config", "quickstart", *OPTIONS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for resume in ([], ["--ckpt_path=last", "--trainer.max_epochs=3"]):
        done = subprocess.run(
            [*command, *resume], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "x 64/256" in done.stderr  # the global batch is that of both
        (run,) = (tmp_path / "runs/quickstart").glob("version_*")
        assert (run / "evaluation.json").is_file()
    checkpoint = torch.load(Path(run) / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 2
    assert len(checkpoint["sslkit"]["rng"]) == 2
