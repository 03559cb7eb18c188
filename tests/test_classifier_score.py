"""``sslkit fit`` of a linear probe and of a fine-tuning ends with the classifier's own score."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from json_check import problems
from runs import cnn, written_run

from sslkit.cli import main
from sslkit.evaluation import report_schema
from sslkit.finished_run import read_run
from sslkit.nn import load_encoder

CLASSES = 6


def shades(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    label = np.arange(count) % CLASSES
    noise = np.random.default_rng(seed).integers(0, 9, (count, 28, 28))
    return (40 * label[:, None, None] + noise).astype(np.uint8), label


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Fit a class of methods on images of its own; returns the run's folder."""
    monkeypatch.chdir(tmp_path)
    written_run(Path("pretrained"), cnn())

    def fit(method: str, *options: str, test: bool = True, **arguments: Any) -> Path:
        (x, y), (x_test, y_test) = shades(96, 0), shades(48, 1)
        held = {"x_test": x_test, "y_test": y_test} if test else {"x_val": x_test, "y_val": y_test}
        np.savez("images.npz", x_train=x, y_train=y, **held)
        model = {
            "class_path": f"sslkit.methods.{method}",
            "init_args": {
                "checkpoint": "pretrained/checkpoints/last.ckpt",
                "lr_scaling": "none",
                **arguments,
            },
        }
        config = {
            "seed_everything": 0,
            "evaluate": True,
            "trainer": {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False},
            "model": model,
            "data": {"source": "images.npz", "batch_size": 32},
        }
        Path("probe.yaml").write_text(yaml.safe_dump(config))
        assert main(["fit", "--config", "probe.yaml", *options]) == 0
        return max(Path(f"runs/{method.lower()}").glob("version_*"))

    return fit


@pytest.mark.parametrize(("method", "rate"), [("LinearProbe", 1.0), ("FineTune", 0.05)])
def test_the_classifier_is_scored_on_the_test_images(run, method, rate, capsys):
    folder = run(method, base_lr=rate)
    report = json.loads((folder / "evaluation.json").read_text())
    (row,) = report["rows"]
    assert (row["encoder"], report["split"], report["n_train"]) == (method, "test", 96)
    assert (report["n_test"], report["num_classes"]) == (48, CLASSES)
    assert 0 <= row["top1"] <= row["top5"] <= 1
    low, high = row["intervals"]["top1"]
    assert low <= row["top1"] <= high
    assert "for 2 epochs, at the last epoch" in report["protocol"]["top1"]
    assert "scored once" in report["protocol"]["top1"]
    assert problems(report, report_schema()) == []
    text = (folder / "evaluation.txt").read_text()
    assert method in text and f"{100 * row['top1']:.1f} %" in text
    assert "top-5" in capsys.readouterr().out
    # What other commands read of a run.
    found = read_run(folder)
    assert found.figures == {"top1": row["top1"], "top5": row["top5"]}
    assert found.predictions[method].hits()["top1"].mean() == pytest.approx(row["top1"])
    assert load_encoder(folder / "checkpoints/last.ckpt").num_features == report["feature_width"]


def test_the_score_is_that_of_the_last_epoch(run):
    folder = run("LinearProbe", base_lr=1.0, test=False)
    report = json.loads((folder / "evaluation.json").read_text())
    rows = (folder / "metrics.csv").read_text().splitlines()
    at = rows[0].split(",").index("val/top1")
    logged = [row.split(",")[at] for row in rows[1:] if row.split(",")[at]]
    # The split is the one that was followed, and the protocol says so.
    assert report["split"] == "validation"
    assert report["rows"][0]["top1"] == pytest.approx(float(logged[-1]))
    assert "scored after every epoch too" in report["protocol"]["top1"]


def test_label_sets_are_scored_by_top1_in_the_set(run, monkeypatch):
    save = np.savez

    def with_sets(name, **arrays):
        sets = np.eye(CLASSES, dtype=bool)[arrays["y_test"]]
        sets[:8] = False
        sets[8:20] = True
        save(name, **arrays | {"y_test": sets})

    monkeypatch.setattr(np, "savez", with_sets)
    folder = run("LinearProbe", base_lr=1.0)
    report = json.loads((folder / "evaluation.json").read_text())
    assert problems(report, report_schema()) == []
    assert (report["metric"], report["n_test"], report["n_empty"]) == ("in_set", 40, 8)
    assert "one of whose classes (ReaL; images without a class" in report["protocol"]["top1"]
    assert "8 more have an empty label set" in (folder / "evaluation.txt").read_text()
    hits = read_run(folder).predictions["LinearProbe"].hits()["top1"]
    assert hits[:12].all() and hits.mean() == pytest.approx(report["rows"][0]["top1"])


def test_without_images_to_score_it_says_so(run, caplog):
    caplog.set_level("INFO")
    x, y = shades(96, 0)
    np.savez("bare.npz", x_train=x, y_train=y)
    folder = run("LinearProbe", "--data.source", "bare.npz")
    assert "there are no labelled images to score" in caplog.text
    assert not (folder / "evaluation.json").exists()


def test_the_checkpoint_is_the_users_to_give(run, capsys):
    with pytest.raises(AssertionError):
        run("LinearProbe", "--model.checkpoint", "null")
    shown = " ".join(capsys.readouterr().err.split())
    assert "LinearProbe starts from a trained encoder" in shown
    assert "--model.checkpoint" in shown
