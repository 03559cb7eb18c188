"""``sslkit scores`` from outside."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sslkit.cli import main
from sslkit.figures import CurveFile
from sslkit.run_names import run_names

COLUMNS = ["negative_mean", "negative_variance", "negative_top10_mean", "negative_exp_mean"]
COLUMNS += ["positive_mean", "positive_variance", "positive_exp_mean"]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs with scores, one without."""
    monkeypatch.chdir(tmp_path)
    for name, level in (("moco", 0.1), ("mochi", 0.2)):
        file = CurveFile(Path("runs", name, "version_0", "scores.csv"), COLUMNS)
        file.append([step, step / 5, *[level + step / 100] * 7] for step in range(20))
    Path("runs/byol/version_0").mkdir(parents=True)


def fails(capsys, *arguments):
    capsys.readouterr()
    assert main(["scores", *arguments]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return " ".join(shown.split())


def test_runs_are_drawn_together(runs, capsys):
    assert main(["scores", "runs/moco/version_0", "runs/mochi/version_0/scores.csv"]) == 0
    assert capsys.readouterr().out == "Written to scores.png.\n"
    both = Path("scores.png").read_bytes()
    assert both.startswith(b"\x89PNG")
    assert main(["scores", "runs/moco/version_0", "--out", "new/one.png"]) == 0
    assert Path("new/one.png").read_bytes() != both
    again = ["runs/moco/version_0", "--out", "scores.png"]
    assert "scores.png is there already and is not overwritten" in fails(capsys, *again)
    assert Path("scores.png").read_bytes() == both
    assert main(["scores", *again, "--overwrite"]) == 0
    assert Path("scores.png").read_bytes() != both


def test_what_is_wrong_is_said(runs, capsys):
    assert "there is no run at runs/none" in fails(capsys, "runs/none")
    shown = fails(capsys, "runs/moco/version_0", "runs/byol/version_0")
    assert "runs/byol/version_0 has no recorded scores" in shown
    assert "sslkit.callbacks.ScoreMonitor" in shown
    shown = fails(capsys, "runs/moco")
    assert "holds several runs" in shown and "runs/moco/version_0" in shown
    assert ".png, .pdf, .svg" in fails(capsys, "runs/moco/version_0", "--out", "x.bmp")
    assert "sslkit scores --help" in fails(capsys)
    Path("runs/byol/version_0/scores.csv").write_text("step,epoch,top1\n0,0,1\n")
    assert "holds no scores" in fails(capsys, "runs/byol/version_0")
    Path("runs/byol/version_0/scores.csv").write_text("step,negative_mean\n")
    assert "no step was recorded" in fails(capsys, "runs/byol/version_0")


def test_names_tell_runs_apart():
    def names(*folders):
        return run_names([Path("/", folder, "scores.csv") for folder in folders])

    assert names("runs/moco/version_0") == ["moco/version_0"]
    assert names("runs/a/version_0", "runs/b/version_0") == ["a/version_0", "b/version_0"]
    assert names("x/a/v", "y/a/v") == ["x/a/v", "y/a/v"]
    assert names("v", "x/v") == ["/v", "x/v"]


def test_the_help_and_the_command_do_without_torch(runs):
    code = (
        "import sys, sslkit.cli as c; code = c.main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    for arguments in (["scores", "--help"], ["scores", "runs/moco/version_0"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_runs_from_yaml_to_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    callbacks = ["ScoreMonitor", "NegativeOracle"]
    encoder = {
        "name": "resnet18",
        "in_channels": 1,
        "small_images": True,
        "options": {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]},
    }
    config = {
        "trainer": {
            "max_epochs": 1,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "callbacks": [{"class_path": f"sslkit.callbacks.{name}"} for name in callbacks],
        },
        "model": {
            "class_path": "sslkit.methods.SimCLR",
            "init_args": {
                "encoder": {"class_path": "sslkit.nn.Encoder", "init_args": encoder},
                "views": {"class_path": "sslkit.views.SimCLRViews", "init_args": {"size": 12}},
            },
        },
        "data": {"source": "quickstart", "batch_size": 32, "limit": 96},
    }
    Path("tiny.yaml").write_text(yaml.safe_dump(config))
    for name in ("first", "second"):
        folder = f"runs/{name}"
        assert main(["fit", "--config", "tiny.yaml", "--trainer.default_root_dir", folder]) == 0
    written = {file.name for file in Path("runs/first/version_0").iterdir()}
    assert {"scores.csv", "scores.png", "negative_oracle.csv", "negative_oracle.png"} <= written
    assert "scores/negative_mean" in Path("runs/first/version_0/metrics.csv").read_text()
    assert main(["scores", *(f"runs/{name}/version_0" for name in ("first", "second"))]) == 0
    assert Path("scores.png").is_file()
