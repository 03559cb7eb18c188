"""The README's plug-in in one file of the user's own, named in YAML."""

import math
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from readme import block

from sslkit.cli import main

PLUGIN = block("python", "# my_plugin.py")
RECIPE = block("yaml", "# plugins.yaml")
COMMAND = shlex.split(block("bash", "--trust my_plugin"))
QUICK = [
    "--evaluate=false",
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.callbacks=[]",
    "--trainer.log_every_n_steps=1",
    "--model.encoder.options={layers: [1, 1, 1, 1], channels: [8, 8, 8, 16]}",
    "--model.views.size=16",
    "--data.source=images.npz",
    "--data.batch_size=32",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with the README's plug-in and its part of a recipe."""
    monkeypatch.chdir(tmp_path)
    # As imported by an earlier test it would be found without its file.
    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 16, 16), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels)
    Path("my_plugin.py").write_text(PLUGIN)
    Path("plugins.yaml").write_text(RECIPE)
    return tmp_path


def losses(folder, run):
    (metrics,) = folder.glob(f"runs/**/version_{run}/metrics.csv")
    header, *rows = (line.split(",") for line in metrics.read_text().splitlines())
    at = header.index("train/loss")
    return [row[at] for row in rows if row[at]]


def test_trains_through_trust_and_acts_from_its_start_on(here):
    program, *arguments = COMMAND
    assert program == "sslkit"
    changed = yaml.safe_load(RECIPE)
    plugins = changed["model"]["init_args"]["plugins"]
    assert plugins[0]["init_args"]["schedule"] == {"start": 2, "ramp": 3}
    plugins[0]["init_args"]["schedule"] = {"start": 1}
    assert main([*arguments, *QUICK]) == 0
    Path("plugins.yaml").write_text(yaml.safe_dump(changed))
    assert main([*arguments, *QUICK]) == 0
    waiting, acting = losses(here, 0), losses(here, 1)
    assert len(waiting) == 4 and all(math.isfinite(float(loss)) for loss in waiting)
    assert acting[:2] == waiting[:2]
    assert acting[2:] != waiting[2:]
    saved = yaml.safe_load((here / "runs/quickstart/version_1/config.yaml").read_text())
    named = [plugin["class_path"] for plugin in saved["model"]["init_args"]["plugins"]]
    assert named == ["my_plugin.SkipNearest", "sslkit.negatives.HardNegativeMixing"]
    (checkpoint,) = here.glob("runs/**/version_1/checkpoints/last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 4


def test_is_refused_without_trust(here, capsys):
    untrusted = COMMAND[1 : COMMAND.index("--trust")]
    assert main([*untrusted, *QUICK]) == 1
    assert "--trust my_plugin" in capsys.readouterr().err
    assert not list(here.glob("runs/**/last.ckpt"))
