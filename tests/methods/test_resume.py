"""A killed run that resumes ends bit-identical to one that was never killed."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

KILLER = """
import os, signal
import pytorch_lightning as pl

class KillAt(pl.Callback):
    def __init__(self, step: int = -1):
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
"""

# Drop path uses torch's global generator, which must come back too.
CONFIG = {
    "recipe": {
        "name": "resume",
        "method": "SimCLR",
        "dataset": "quickstart",
        "summary": "A run of seconds, for tests.",
        "seed": 3,
        "status": "untested",
    },
    "seed_everything": 3,
    "trainer": {
        "max_epochs": 3,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "log_every_n_steps": 2,
        "callbacks": [
            {"class_path": "sslkit.callbacks.OnlineProbe"},
            {"class_path": "sslkit.callbacks.OnlineKNN"},
        ],
    },
    "model": {
        "class_path": "sslkit.methods.SimCLR",
        "init_args": {
            "encoder": {
                "class_path": "sslkit.nn.Encoder",
                "init_args": {
                    "name": "resnet18",
                    "small_images": True,
                    "in_channels": 1,
                    "options": {
                        "layers": [1, 1, 1, 1],
                        "channels": [8, 8, 8, 8],
                        "drop_path_rate": 0.5,
                    },
                },
            },
            "views": {
                "class_path": "sslkit.views.SimCLRViews",
                "init_args": {"size": 16, "blur": False},
            },
        },
    },
    "data": {"source": "quickstart", "batch_size": 32, "limit": 192, "val_fraction": 0.1},
}


def run(folder, *options):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sslkit", "fit", "--config", "resume.yaml"]
    command += ["--trust", "killer", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def checkpoint(folder, name="last"):
    (path,) = Path(folder).glob(f"runs/resume/version_*/checkpoints/{name}.ckpt")
    return torch.load(path, weights_only=True)


def differences(a, b, path=""):
    """Where two checkpoints differ, bit by bit."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return [path]
        return [d for key in a for d in differences(a[key], b[key], f"{path}/{key}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return [path]
        return [
            d
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            for d in differences(x, y, f"{path}/{i}")
        ]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    return [] if same else [path]


def losses(metrics):
    """(step, loss) of every row that has a training loss."""
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row["step"], row["train/loss"]) for row in rows if row["train/loss"]]


def prepared(folder, config):
    folder.mkdir(exist_ok=True)
    (folder / "killer.py").write_text(KILLER)
    (folder / "resume.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = prepared(tmp_path_factory.mktemp("whole"), CONFIG)
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


# 5 steps an epoch. Killed at step 8, in the second epoch, after the first one's checkpoint (step 5)
# or after a checkpoint in the middle of the second epoch (step 6).
@pytest.mark.parametrize("every", [None, 3], ids=["epoch", "middle-of-an-epoch"])
def test_killed_and_resumed_is_bit_identical(uninterrupted, tmp_path, every):
    config = dict(CONFIG)
    if every:
        middle = {
            "class_path": "pytorch_lightning.callbacks.ModelCheckpoint",
            "init_args": {
                "filename": "middle",
                "every_n_train_steps": every,
                "enable_version_counter": False,
            },
        }
        callbacks = [*CONFIG["trainer"]["callbacks"], middle]
        config["trainer"] = CONFIG["trainer"] | {"callbacks": callbacks}
    folder = prepared(tmp_path, config)
    killed = run(folder, "--trainer.callbacks+=killer.KillAt", "--trainer.callbacks.step=8")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert checkpoint(folder)["global_step"] == 5
    if every:  # the newest one, which `last` means
        assert checkpoint(folder, "middle")["global_step"] == 6
    resumed = run(folder, "--ckpt_path", "last")
    assert resumed.returncode == 0, resumed.stderr

    whole, again = checkpoint(uninterrupted), checkpoint(folder)
    assert whole["global_step"] == again["global_step"] == 15
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "sslkit"):
        assert differences(whole[part], again[part]) == []
    probes = [key for key in whole["callbacks"] if key.startswith("Online")]
    assert len(probes) == 2
    for key in probes:
        assert differences(whole["callbacks"][key], again["callbacks"][key]) == []


def test_metrics_of_a_resumed_run_have_every_step_once(uninterrupted, tmp_path):
    folder = prepared(tmp_path, CONFIG)
    run(folder, "--trainer.callbacks+=killer.KillAt", "--trainer.callbacks.step=8")
    assert run(folder, "--ckpt_path", "last").returncode == 0
    whole, again = (
        losses(f / "runs/resume/version_0/metrics.csv") for f in (uninterrupted, folder)
    )
    assert whole
    assert again == whole


def with_method(name, **arguments):
    """The same run of another method."""
    init_args = {k: CONFIG["model"]["init_args"][k] for k in ("encoder", "views")} | arguments
    model = {"class_path": f"sslkit.methods.{name}", "init_args": init_args}
    return CONFIG | {"recipe": CONFIG["recipe"] | {"method": name}, "model": model}


# Both with a momentum that changes; the queue has wrapped around when the run is killed.
@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        with_method("MoCo", queue_size=100, momentum=0.9, momentum_schedule="cosine", bn_splits=2),
        with_method("BYOL", hidden_dim=32, output_dim=16, momentum=0.9),
    ],
    ids=["MoCo", "BYOL"],
)
def test_momentum_and_queue_resume_bit_identical(tmp_path, config):
    whole, again = (prepared(tmp_path / name, config) for name in ("whole", "again"))
    done = run(whole)
    assert done.returncode == 0, done.stderr
    killed = run(again, "--trainer.callbacks+=killer.KillAt", "--trainer.callbacks.step=8")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(again, "--ckpt_path", "last")
    assert resumed.returncode == 0, resumed.stderr
    whole, again = checkpoint(whole), checkpoint(again)
    assert whole["global_step"] == again["global_step"] == 15
    state = whole["state_dict"]
    assert any(name.startswith("momentum_branches.0.") for name in state)
    if "objective.queue.rows" in state:
        assert int(state["objective.queue.filled"]) == 100
        assert state["momentum_branches.0._extra_state"] == 15
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "sslkit", "callbacks"):
        found = differences(whole[part], again[part])
        assert [d for d in found if "ModelCheckpoint" not in d and "LastCheckpoint" not in d] == []


# The schedules begin and ramp while accumulated batches are compared. Killed in the middle of the
# second epoch, between two batches of one optimiser step; the newest checkpoint is older.
PLUGINS = [
    {
        "class_path": "sslkit.negatives.PositiveExtrapolation",
        "init_args": {"schedule": {"start": 1, "unit": "epochs"}},
    },
    {
        "class_path": "sslkit.negatives.HardNegativeMixing",
        "init_args": {
            "hardest": 8,
            "pairs": 4,
            "query_mixes": 4,
            "schedule": {"start": 2, "ramp": 5, "stop": 8, "unit": "steps"},
        },
    },
    {
        "class_path": "sslkit.negatives.FalseNegativeMask",
        "init_args": {
            "guide": {
                "class_path": "sslkit.negatives.FrozenGuide",
                "init_args": {"checkpoint": "guide.ckpt"},
            },
            "threshold": 0.95,
        },
    },
]


@pytest.mark.slow
def test_plugins_resume_bit_identical(uninterrupted, tmp_path):
    (guide,) = uninterrupted.glob("runs/resume/version_*/checkpoints/last.ckpt")
    config = with_method("MoCo", queue_size=100, momentum=0.9, plugins=PLUGINS)
    middle = {
        "class_path": "pytorch_lightning.callbacks.ModelCheckpoint",
        "init_args": {
            "filename": "middle",
            "every_n_train_steps": 4,
            "enable_version_counter": False,
        },
    }
    config["trainer"] = CONFIG["trainer"] | {
        "accumulate_grad_batches": 2,
        "callbacks": [middle, {"class_path": "sslkit.callbacks.OnlineKNN"}],
    }
    whole, again = (prepared(tmp_path / name, config) for name in ("whole", "again"))
    for folder in (whole, again):
        (folder / "guide.ckpt").write_bytes(guide.read_bytes())
    done = run(whole)
    assert done.returncode == 0, done.stderr
    killed = run(again, "--trainer.callbacks+=killer.KillAt", "--trainer.callbacks.step=5")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert checkpoint(again, "middle")["global_step"] == 4
    resumed = run(again, "--ckpt_path", "last")
    assert resumed.returncode == 0, resumed.stderr
    whole, again = checkpoint(whole), checkpoint(again)
    assert whole["global_step"] == again["global_step"] == 9
    assert whole["sslkit"]["batches_drawn"] == 15
    state = whole["state_dict"]
    assert state["objective.queue.guide"].any()
    assert not [name for name in state if name.startswith("objective.plugins")]
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "sslkit", "callbacks"):
        found = differences(whole[part], again[part])
        assert [d for d in found if "ModelCheckpoint" not in d and "LastCheckpoint" not in d] == []
