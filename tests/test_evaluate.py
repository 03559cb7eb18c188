from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import yaml

from sslkit.cli import main
from sslkit.data import ImageDataModule
from sslkit.evaluate import _folder, score
from sslkit.nn import Encoder
from sslkit.origin import find_origin


def encoder():
    options = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}
    return Encoder("resnet18", small_images=True, image_size=8, options=options)


def arrays(path, **parts):
    rng = np.random.default_rng(0)
    content = {}
    for split, count in parts.items():
        content[f"x_{split}"] = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        content[f"y_{split}"] = np.arange(count) % 3
    np.savez(path, **content)
    return str(path)


@pytest.mark.parametrize(
    ("parts", "val_fraction", "split", "sizes"),
    [
        ({"train": 60, "test": 20}, 0.1, "test", (60, 20)),  # what was held out is fitted too
        ({"train": 60, "val": 20}, 0.0, "val", (60, 20)),
        ({"train": 60}, 0.1, "val", (54, 6)),
    ],
)
def test_what_is_fitted_and_what_is_scored(tmp_path, parts, val_fraction, split, sizes):
    data = ImageDataModule(
        arrays(tmp_path / "images.npz", **parts), batch_size=16, val_fraction=val_fraction
    )
    report = score(encoder(), data, name="x", seed=0, device="cpu")
    assert report.split == split
    assert (report.scores[0].n_train, report.scores[0].n_test) == sizes


def test_nothing_to_score_says_which_split_is_missing(tmp_path):
    data = ImageDataModule(arrays(tmp_path / "images.npz", train=40), batch_size=16)
    with pytest.raises(ValueError, match="no test split"):
        score(encoder(), data, name="x", seed=0, device="cpu")


def test_limits_are_in_the_report(tmp_path):
    data = ImageDataModule(arrays(tmp_path / "i.npz", train=60, test=20), batch_size=16)
    report = score(encoder(), data, name="x", seed=0, device="cpu", limits=(30, 10))
    assert (report.scores[0].n_train, report.scores[0].n_test) == (30, 10)
    assert report.to_dict()["data"]["at most train images"] == 30


def test_data_may_be_named_in_a_yaml_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arrays(tmp_path / "images.npz", train=60, test=20)
    config = {
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
        "model": {
            "class_path": "sslkit.methods.SimCLR",
            "init_args": {
                "encoder": {
                    "class_path": "sslkit.nn.Encoder",
                    "init_args": {"name": "resnet18", "small_images": True},
                },
                "views": {"class_path": "sslkit.views.SimCLRViews", "init_args": {"size": 8}},
            },
        },
        "data": {"source": "images.npz", "batch_size": 30},
    }
    config["model"]["init_args"]["encoder"]["init_args"]["options"] = encoder().options
    Path("run.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "run.yaml"]) == 0
    other = arrays(tmp_path / "other.npz", train=40, test=30)
    Path("other.yaml").write_text(yaml.safe_dump({"data": {"source": other}}))
    run = "runs/simclr/version_0"
    assert main(["evaluate", run, "--data", "other.yaml", "--pictures", "seen"]) == 0
    written = {path.name for path in Path(run, "evaluation-other").iterdir()}
    assert written == {"evaluation.json", "evaluation.txt", "predictions.npz"}
    pictures = ["confusion", "feature_maps", "neighbours", "spectrum", "tsne"]
    assert sorted(path.name for path in Path("seen").iterdir()) == [f"{p}.png" for p in pictures]
    assert "Pictures in seen: neighbours.png, tsne.png" in capsys.readouterr().out
    assert main(["compare", run, f"{run}/evaluation-other"]) == 0
    assert "training time" in capsys.readouterr().out
    Path("bad.yaml").write_text("data: {source: {class_path: os.system}}")
    capsys.readouterr()
    assert main(["evaluate", run, "--data", "bad.yaml"]) == 1
    assert "not on the import allowlist" in " ".join(capsys.readouterr().err.split())


def test_a_runs_own_report_is_only_that_of_its_last_checkpoint_and_all_images(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("last", "best"):
        (tmp_path / f"checkpoints/{name}.ckpt").touch()

    def folder(
        checkpoint="last.ckpt", data=None, train_images=None, test_images=None, real_labels=None
    ):
        options = Namespace(
            data=data,
            train_images=train_images,
            test_images=test_images,
            real_labels=real_labels,
        )
        path = _folder(options, find_origin(tmp_path / "checkpoints" / checkpoint))
        return path.relative_to(tmp_path).as_posix()

    assert folder() == "."
    assert folder("best.ckpt") == "evaluation-best"
    assert folder(train_images=500) == "evaluation-500_train"
    assert folder("best.ckpt", "a/other.npz", 5, 6) == "evaluation-other-best-5_train-6_test"
    assert folder(real_labels="there/real.json") == "evaluation-real"
    report = tmp_path / "evaluation.json"
    report.write_text('{"rows": [{"linear": 0.5}]}')
    assert folder() == "."
    report.write_text('{"rows": [{"top1": 0.5}]}')  # a classifier's own
    assert folder() == "evaluation-frozen_features"
