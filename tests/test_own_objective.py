"""The README's objective in one file of the user's own, trained from YAML on the command line."""

import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from readme import block

from sslkit.cli import main

OBJECTIVE = block("python", "# my_objective.py")
RECIPE = block("yaml", "# mine.yaml")
COMMAND = shlex.split(block("bash", "--trust my_objective"))
# The README's recipe for seconds: a narrower network, images of random pixels, two short epochs.
QUICK = [
    "--evaluate=false",
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.log_every_n_steps=1",
    "--model.encoder.options={layers: [1, 1, 1, 1], channels: [8, 8, 8, 16]}",
    "--model.projector.in_features=16",
    "--model.views.size=16",
    "--data.source=images.npz",
    "--data.batch_size=32",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with the README's objective and recipe, and a set of images."""
    monkeypatch.chdir(tmp_path)
    # As imported by an earlier test it would be found without its file.
    monkeypatch.delitem(sys.modules, "my_objective", raising=False)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 16, 16), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels)
    Path("my_objective.py").write_text(OBJECTIVE)
    Path("mine.yaml").write_text(RECIPE)
    return tmp_path


def logged(folder):
    (metrics,) = folder.glob("runs/**/metrics.csv")
    header, *rows = (line.split(",") for line in metrics.read_text().splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def assert_trained(folder):
    rows = logged(folder)
    losses = [float(row["train/loss"]) for row in rows if row["train/loss"]]
    assert len(losses) >= 4
    assert all(math.isfinite(loss) for loss in losses)
    assert all(row["train/apart"] for row in rows if row["train/loss"])
    (checkpoint,) = folder.glob("runs/**/last.ckpt")
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["sslkit"]["method"] == "JointEmbedding"
    assert saved["global_step"] == 4


def test_trains_through_trust(here):
    program, *arguments = COMMAND
    assert program == "sslkit"
    assert main([*arguments, *QUICK]) == 0
    assert_trained(here)


@pytest.mark.slow
def test_the_installed_command_finds_it_without_the_working_directory_on_its_path(here):
    script = Path(sys.executable).with_name(COMMAND[0])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [script, *COMMAND[1:], *QUICK], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert_trained(here)


@pytest.mark.slow
def test_the_recipe_runs_on_its_own_images_too(here):
    """Nothing but the number of steps is changed."""
    few = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--evaluate=false"]
    assert main([*COMMAND[1:], *few]) == 0
    assert list(here.glob("runs/**/last.ckpt"))


def test_is_refused_without_trust(here, capsys):
    untrusted = COMMAND[1 : COMMAND.index("--trust")]
    assert main([*untrusted, *QUICK]) == 1
    assert "--trust my_objective" in capsys.readouterr().err
    assert not list(here.glob("runs/**/last.ckpt"))


def test_the_engine_takes_predictor_and_momentum_from_yaml_too(here):
    config = yaml.safe_load(RECIPE)
    config["model"]["init_args"] |= {
        "objective": {"class_path": "sslkit.objectives.BYOLObjective"},
        "predictor": {
            "class_path": "sslkit.nn.MLPHead",
            "init_args": {"in_features": 128, "sizes": [16, 128]},
        },
        "momentum": {"base": 0.9, "schedule": "cosine"},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "mine.yaml", *QUICK]) == 0
    (checkpoint,) = here.glob("runs/**/last.ckpt")
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert any(name.startswith("momentum_branches.0.layers.0.") for name in state)
