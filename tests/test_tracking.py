"""What trackers hold of a run, read back from the files that they write."""

import csv
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from offline_wandb import finished_run
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sslkit.cli import main
from sslkit.tracking import finish_tracking, with_wandb

ENCODER = {
    "class_path": "sslkit.nn.Encoder",
    "init_args": {
        "name": "resnet18",
        "small_images": True,
        "options": {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]},
    },
}
CALLBACKS = [
    {"class_path": "sslkit.callbacks.OnlineProbe"},
    {"class_path": "sslkit.callbacks.ScoreMonitor"},
    {
        "class_path": "sslkit.callbacks.PictureMonitor",
        "init_args": {"pictures": ["spectrum"], "every_n_epochs": 1},
    },
    {
        "class_path": "pytorch_lightning.callbacks.ModelCheckpoint",
        "init_args": {
            "monitor": "online_probe/val_top1",
            "mode": "max",
            "filename": "best",
            "auto_insert_metric_name": False,
        },
    },
]
CONFIG = {
    "recipe": {
        "name": "tiny",
        "method": "SimCLR",
        "dataset": "noise",
        "summary": "A few steps.",
        "seed": 0,
        "status": "untested",
    },
    "seed_everything": 0,
    "evaluate": True,
    "trainer": {
        "max_epochs": 3,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "log_every_n_steps": 1,
        "callbacks": CALLBACKS,
    },
    "model": {
        "class_path": "sslkit.methods.SimCLR",
        "init_args": {
            "encoder": ENCODER,
            "views": {
                "class_path": "sslkit.views.SimCLRViews",
                "init_args": {"size": 16, "blur": False},
            },
        },
    },
    "data": {"source": "images.npz", "batch_size": 40, "val_fraction": 0.25},
}


def fit(folder: Path, **trainer: Any) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (120, 16, 16, 3), dtype=np.uint8)
    label = np.arange(120) % 3
    np.savez(
        folder / "images.npz", x_train=pixels, y_train=label, x_test=pixels[:30], y_test=label[:30]
    )
    config = CONFIG | {"trainer": CONFIG["trainer"] | trainer}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    arguments = ["fit", "--config", "tiny.yaml", *(["--wandb", "true"] if not trainer else [])]
    assert main(arguments) == 0


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """A run with Weights & Biases where nobody is logged in: its folder, and what was written."""
    folder = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_MODE", "WANDB_API_KEY"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(folder))
        patch.chdir(folder)
        fit(folder)
    media, records = finished_run(folder / "runs/tiny")
    return SimpleNamespace(run=folder / "runs/tiny/version_0", media=media, records=records)


def history(records) -> list[dict[str, Any]]:
    found = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            row: dict[str, Any] = {}
            for item in record.history.item:
                *parents, last = item.nested_key or [item.key]
                place = row
                for parent in parents:
                    place = place.setdefault(parent, {})
                place[last] = json.loads(item.value_json)
            found.append(row)
    return found


def artifacts(records):
    return [r.artifact for r in records if r.WhichOneof("record_type") == "artifact"]


@pytest.mark.slow
def test_every_metric_of_the_csv_file_is_there_once(offline):
    with (offline.run / "metrics.csv").open(newline="") as file:
        rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]
    expected = Counter(
        (key, int(row["step"])) for row in rows for key in row if key not in ("step", "epoch")
    )
    found = Counter(
        (key, row["trainer/global_step"])
        for row in history(offline.records)
        for key in row
        if not key.startswith(("_", "trainer/", "epoch", "pictures/", "evaluation/"))
    )
    assert found == expected
    assert set(found.values()) == {1}
    assert {"train/loss", "online_probe/val_top1", "scores/negative_mean"} <= {k for k, _ in found}


@pytest.mark.slow
def test_the_config_is_there(offline):
    (run,) = [r.run for r in offline.records if r.WhichOneof("record_type") == "run"]
    assert (run.project, run.run_group, run.display_name) == ("sslkit", "tiny", "tiny/version_0")
    config: dict[str, Any] = {}
    for record in offline.records:
        for part in (record.run.config, record.config):
            config |= {item.key or item.nested_key[0]: item.value_json for item in part.update}
    assert json.loads(config["model"])["class_path"] == "sslkit.methods.SimCLR"
    assert json.loads(config["model"])["init_args"]["temperature"] == 0.1  # resolved
    assert json.loads(config["recipe"])["name"] == "tiny"


@pytest.mark.slow
def test_pictures_are_there_once_an_epoch(offline):
    for name, count in (("pictures/spectrum", 3), ("pictures/scores", 1)):
        shown = [row[name] for row in history(offline.records) if name in row]
        assert len(shown) == count
        for picture in shown:
            (file,) = picture["filenames"]
            assert (offline.media / "files" / file).read_bytes().startswith(b"\x89PNG")
    drawn = {path.name for path in (offline.run / "pictures").iterdir()}
    assert drawn == {f"spectrum-epoch000{epoch}.png" for epoch in (1, 2, 3)}


@pytest.mark.slow
def test_the_evaluation_is_there_with_its_protocol(offline):
    report = json.loads((offline.run / "evaluation.json").read_text())
    rows = history(offline.records)
    (linear,) = [row["evaluation/linear"] for row in rows if "evaluation/linear" in row]
    assert linear == pytest.approx(report["rows"][0]["linear"])
    (shown,) = [row["evaluation/table"] for row in rows if "evaluation/table" in row]
    table = json.loads((offline.media / "files" / shown["path"]).read_text())
    assert table["columns"] == ["encoder", "figure", "value", "low", "high", "protocol"]
    lines = {(line[0], line[1]): line for line in table["data"]}
    own = lines["pretrained", "linear"]
    assert own[2] == pytest.approx(report["rows"][0]["linear"])
    assert own[5] == report["protocol"]["linear"]
    assert ("random initialisation", "knn_20") in lines


@pytest.mark.slow
def test_checkpoints_and_the_evaluations_files_are_artifacts_once(offline):
    found = {artifact.name.split("-", 1)[-1]: artifact for artifact in artifacts(offline.records)}
    assert len(found) == len(artifacts(offline.records))
    files = {
        name: {entry.path for entry in artifact.manifest.contents}
        for name, artifact in found.items()
        if artifact.type in ("model", "evaluation")
    }
    assert files == {
        "evaluation": {"evaluation.json", "evaluation.txt", "predictions.npz"},
        "last": {"last.ckpt", "config.yaml"},
        "best-online_probe-val_top1": {"best.ckpt", "config.yaml"},
    }
    (last,) = [e for e in found["last"].manifest.contents if e.path == "last.ckpt"]
    assert last.size == (offline.run / "checkpoints/last.ckpt").stat().st_size
    assert set(found["last"].aliases) == {"latest", "last"}


@pytest.mark.slow
def test_the_run_is_finished(offline):
    (end,) = [r.exit for r in offline.records if r.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 0


@pytest.mark.slow
def test_tensorboard_and_csv_hold_everything_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loggers = [
        {
            "class_path": f"pytorch_lightning.loggers.{name}",
            "init_args": {"save_dir": "board", "name": name},
        }
        for name in ("TensorBoardLogger", "CSVLogger")
    ]
    fit(tmp_path, logger=loggers)
    board = EventAccumulator(
        "board/TensorBoardLogger/version_0", size_guidance={"scalars": 0, "images": 0}
    ).Reload()
    tags = board.Tags()
    for tag in set(tags["scalars"]) - {"epoch"}:  # Lightning's, beside whatever is logged
        steps = [event.step for event in board.Scalars(tag)]
        assert len(steps) == len(set(steps)), tag
    own, other = Path("runs/tiny/version_0"), Path("board/CSVLogger/version_0")
    files = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (own, other)]
    assert files[0] == files[1]
    logged = {key for row in files[0] for key in row} - {"step", "epoch"}
    assert logged <= set(tags["scalars"])
    assert {"evaluation/linear", "evaluation/knn_20"} <= set(tags["scalars"])
    assert set(tags["images"]) == {"pictures/spectrum", "pictures/scores"}
    assert len(board.Images("pictures/spectrum")) == 3
    (text,) = [board.Tensors(tag) for tag in tags["tensors"] if tag.startswith("evaluation/table")]
    assert b"logistic regression" in text[0].tensor_proto.string_val[0]
    assert yaml.safe_load((other / "hparams.yaml").read_text())["recipe"]["name"] == "tiny"
    assert not (own / "hparams.yaml").exists()  # config.yaml says it


@pytest.mark.slow
def test_a_run_that_fails_is_ended_as_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    assert main(["fit", "--config", "tiny.yaml", "--wandb", "true"]) == 1  # there are no images
    _, records = finished_run(tmp_path / "runs/tiny")
    assert [r.exit.exit_code for r in records if r.WhichOneof("record_type") == "exit"] == [1]


def test_one_logger_of_weights_and_biases_is_enough(tmp_path):
    own, given = CSVLogger(tmp_path), WandbLogger(offline=True, save_dir=tmp_path)
    assert with_wandb([own, given], tmp_path, "version_0") == [own, given]
    added = with_wandb([own, TensorBoardLogger(tmp_path)], tmp_path / "a", "version_3")[-1]
    assert isinstance(added, WandbLogger)
    assert added.save_dir == str(tmp_path / "a")
    assert not list(tmp_path.glob("a/*"))  # nothing begins before training does


def test_what_has_not_begun_is_not_ended(tmp_path):
    logger = WandbLogger(offline=True, save_dir=tmp_path)
    finish_tracking(SimpleNamespace(loggers=[logger]), exit_code=1)
    assert logger.version is None
