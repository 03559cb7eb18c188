"""An objective in one file of the user's own, trained from YAML on the command line."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sslkit.cli import main

OBJECTIVE = '''
import torch
from sslkit.distributed import gather
from sslkit.functional import unit_rows
from sslkit.objectives import Objective, Routes


class AlignAndSpread(Objective):
    """Views of an image are near, and images are spread over the sphere."""

    routes = Routes(online=(0, 1), target=())

    def __init__(self, *, spread: float = 1.0) -> None:
        super().__init__()
        self.spread = spread

    def forward(self, online, target, batch):
        a, b = unit_rows(online[0]), unit_rows(online[1])
        alignment = (a - b).square().sum(1)
        apart = torch.pdist(gather(a)).square().mul(-2).exp().mean().log()
        return {
            "loss": alignment.mean() + self.spread * apart,
            "per_anchor": alignment.detach(),
            "apart": apart.detach(),
        }
'''

ENCODER = {
    "class_path": "sslkit.nn.Encoder",
    "init_args": {
        "name": "resnet18",
        "small_images": True,
        "options": {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 16]},
    },
}
VIEWS = {"class_path": "sslkit.views.SimCLRViews", "init_args": {"size": 16, "blur": False}}
MODEL = {
    "class_path": "sslkit.methods.JointEmbedding",
    "init_args": {
        "encoder": ENCODER,
        "projector": {
            "class_path": "sslkit.nn.MLPHead",
            "init_args": {"in_features": 16, "sizes": [32, 8]},
        },
        "objective": {"class_path": "align.AlignAndSpread", "init_args": {"spread": 0.5}},
        "views": VIEWS,
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"momentum": 0.9}},
        "base_lr": 0.1,
        "lr_scaling": "linear",
        "schedule": {"class_path": "sslkit.optim.Constant"},
    },
}


def config(model):
    return {
        "seed_everything": 0,
        "trainer": {
            "max_epochs": 2,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "log_every_n_steps": 1,
        },
        "model": model,
        "data": {"source": "images.npz", "batch_size": 32, "val_fraction": 0},
    }


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with the objective, a set of images, and the config."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels)
    Path("align.py").write_text(OBJECTIVE)
    Path("mine.yaml").write_text(yaml.safe_dump(config(MODEL)))
    return tmp_path


def logged(folder):
    (metrics,) = folder.glob("runs/**/metrics.csv")
    header, *rows = (line.split(",") for line in metrics.read_text().splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_trains_through_trust(here):
    assert main(["fit", "--config", "mine.yaml", "--trust", "align"]) == 0
    rows = logged(here)
    assert len(rows) >= 4
    assert all(math.isfinite(float(row["train/loss"])) for row in rows if row["train/loss"])
    assert any(row["train/apart"] for row in rows)
    (checkpoint,) = here.glob("runs/**/last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["sslkit"]["method"] == "JointEmbedding"


def test_is_refused_without_trust(here, capsys):
    assert main(["fit", "--config", "mine.yaml"]) != 0
    assert "--trust align" in capsys.readouterr().err
    assert not list(here.glob("runs/**/last.ckpt"))


def test_the_engine_takes_predictor_and_momentum_from_yaml_too(here):
    parts = MODEL["init_args"] | {
        "objective": {"class_path": "sslkit.objectives.BYOLObjective"},
        "predictor": {
            "class_path": "sslkit.nn.MLPHead",
            "init_args": {"in_features": 8, "sizes": [16, 8]},
        },
        "momentum": {"base": 0.9, "schedule": "cosine"},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(config(MODEL | {"init_args": parts})))
    assert main(["fit", "--config", "mine.yaml"]) == 0
    (checkpoint,) = here.glob("runs/**/last.ckpt")
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert any(name.startswith("momentum_branches.0.layers.0.") for name in state)
