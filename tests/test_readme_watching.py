"""The README's parts on callbacks and on probes run as they stand there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from readme import README, block
from runs import cnn, written_run

from sslkit import callbacks
from sslkit.cli import main

QUICK = ["--trainer.enable_progress_bar=false", "--evaluate=false"]


def test_the_table_names_every_callback_that_scores():
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", README, re.MULTILINE)
    named = set(rows) & {*callbacks.__all__}
    scoring = {name for name in callbacks.__all__ if name.endswith(("Probe", "KNN", "Monitor"))}
    assert scoring - {"ScoreMonitor"} <= named  # which is about negatives


@pytest.mark.slow
def test_the_override_with_callbacks_trains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pixels, label = rng.integers(0, 256, (100, 16, 16), dtype=np.uint8), np.arange(100) % 4
    np.savez("images.npz", x_train=pixels, y_train=label)  # some are held out
    Path("watch.yaml").write_text(block("yaml", "# watch.yaml"))
    program, *arguments = shlex.split(block("bash", "--config watch.yaml"))
    small = [
        "--trainer.max_epochs=2",
        "--model.encoder.options={layers: [1, 1, 1, 1], channels: [8, 8, 8, 16]}",
        "--model.views.size=16",
        "--data.source=images.npz",
        "--data.batch_size=32",
    ]
    assert program == "sslkit"
    assert main([*arguments, *QUICK, *small]) == 0
    run = Path("runs/quickstart/version_0")
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert len(list((run / "pictures").iterdir())) == 5


@pytest.mark.slow
def test_the_probe_and_the_fine_tuning_train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written_run(Path("runs/small/simclr/version_0"), cnn(in_channels=3, image_size=32))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1500, 32, 32, 3), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels, y_train=np.arange(1500) % 10)
    text = block("bash", "small/linear_probe").replace("\\\n", "")
    small = ["--trainer.max_epochs=1", "--trainer.precision=32-true", "--data.source=images.npz"]
    small += ["--data.test_source=null", "--data.limit=null"]
    for command in text.strip().splitlines():
        program, *arguments = shlex.split(command)
        assert program == "sslkit"
        assert main([*arguments, *QUICK, *small]) == 0
    for name in ("linear_probe", "finetune"):
        assert Path(f"runs/small/{name}/version_0/checkpoints/last.ckpt").is_file()
