"""The README's part on negatives as plug-ins: its table, recipe, pictures and Python."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_plugins
import yaml
from readme import README, block

from sslkit.cli import main
from sslkit.figures import CurveFile, read_curves
from sslkit.recipe import find_recipe

QUICK = [
    "--evaluate=false",
    "--trainer.max_epochs=3",
    "--trainer.enable_progress_bar=false",
    "--model.encoder.options={layers: [1, 1, 1, 1], channels: [8, 8, 8, 16]}",
    "--model.views.size=16",
    "--data.source=images.npz",
    "--data.batch_size=32",
]


def test_the_table_names_every_plugin_and_its_paper():
    rows = re.findall(r"^\| `(\w+)` \|.*\((https\S+)\) \|$", README, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(tiny_plugins.exported())


def test_the_recipe_trains_and_its_curves_are_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (80, 16, 16), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels, y_train=np.arange(80) % 4)  # some are held out
    Path("harder.yaml").write_text(block("yaml", "# harder.yaml"))
    program, *arguments = shlex.split(block("bash", "--config harder.yaml"))
    assert program == "sslkit"
    assert main([*arguments, *QUICK]) == 0
    (run,) = Path("runs/quickstart").glob("version_*")
    assert {"scores.png", "negative_oracle.png"} <= {file.name for file in run.iterdir()}
    treated = read_curves(run / "scores.csv")["treated/negative_mean"]
    assert np.isfinite(treated).tolist() == [False] * 4 + [True] * 2  # from epoch 2 on
    assert np.isfinite(read_curves(run / "negative_oracle.csv")["all"]).all()


def test_the_recipes_whose_scores_are_drawn_record_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(block("bash", "sslkit scores"))
    runs = [Path(argument) for argument in arguments if argument.startswith("runs/")]
    assert program == "sslkit" and len(runs) == 2
    for run in runs:
        name = run.parent.relative_to("runs")
        callbacks = yaml.safe_load(find_recipe(str(name)).read_text())["trainer"]["callbacks"]
        assert {"class_path": "sslkit.callbacks.ScoreMonitor"} in callbacks
        CurveFile(run / "scores.csv", ["negative_mean"]).append([[0, 0.0, 0.1], [1, 0.5, 0.2]])
    assert main(arguments) == 0
    assert Path("scores.png").is_file()


@pytest.mark.slow
def test_the_python_example_trains_and_records(tmp_path):
    (tmp_path / "example.py").write_text(block("python", "HardNegativeMixing(hardest"))
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (scores,) = tmp_path.rglob("scores.csv")
    assert len(read_curves(scores)["step"]) == 4
    assert (scores.parent / "negative_oracle.png").is_file()
