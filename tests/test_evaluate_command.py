"""``sslkit evaluate`` from outside, on an encoder that nothing has trained."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from json_check import problems

from sslkit.cli import main
from sslkit.evaluate_arguments import evaluate_parser
from sslkit.evaluation import report_schema
from sslkit.finished_run import read_run
from sslkit.nn import Encoder

OPTIONS = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 4]}
FILES = {"evaluation.json", "evaluation.txt", "predictions.npz"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's folder whose encoder has random weights, trained on images in a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)
    write_checkpoint("run/checkpoints/last.ckpt")
    Path("run/config.yaml").write_text("data: {source: images.npz}")
    write_images("images.npz")


def write_checkpoint(path: str, *, seed: int = 5, broken: bool = False, **more) -> None:
    encoder = Encoder("resnet18", small_images=True, image_size=16, options=OPTIONS)
    encoder = encoder.reinitialised(seed)
    encoder.set_statistics([0.4] * 3, [0.3] * 3)
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    if broken:
        state["encoder.backbone.conv1.weight"].fill_(torch.nan)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    record = {"format": 1, "version": "0", "method": "SimCLR", "encoder": encoder.spec()}
    torch.save({"state_dict": state, "sslkit": record, **more}, path)


def write_images(path: str, *, train=60, test=30, classes=(3, 3), labelled=True) -> None:
    random = np.random.default_rng(0)
    content = {}
    for split, count, own in (("train", train, classes[0]), ("test", test, classes[1])):
        label = np.arange(count) % own
        noise = random.integers(0, 120, (count, 16, 16, 3))
        content[f"x_{split}"] = (noise + 40 * label[:, None, None, None]).astype(np.uint8)
        if labelled:
            content[f"y_{split}"] = label
    np.savez(path, **content)


def evaluate(*arguments: str) -> int:
    return main(["evaluate", *arguments, "--device", "cpu"])


def fails(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert evaluate(*arguments) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return " ".join(shown.split())


def report(folder: str = "run") -> dict:
    return json.loads(Path(folder, "evaluation.json").read_text())


def test_quick_is_the_default_and_keeps_its_features(run, capsys):
    assert evaluate("run") == 0
    found = report()
    assert problems(found, report_schema()) == []
    assert [row["encoder"] for row in found["rows"]] == ["pretrained", "random initialisation"]
    assert found["plan"]["name"] == "quick"
    assert {p.name for p in Path("run").iterdir()} == {
        "checkpoints", "config.yaml", "features", *FILES
    }  # fmt: skip
    assert len(list(Path("run/features").iterdir())) == 4
    written = Path("run/evaluation.json").read_text()
    assert evaluate("run", "--out", "again", "--no_cache") == 0
    assert Path("again/evaluation.json").read_text() == written
    assert evaluate("run", "--out", "again", "--cache", "elsewhere") == 0
    assert Path("again/evaluation.json").read_text() == written
    assert len(list(Path("elsewhere").iterdir())) == 4


@pytest.mark.slow
def test_full_has_everything(run, capsys):
    assert evaluate("run", "--protocol", "full", "--seeds", "2", "--shots", "1,30") == 0
    found = report()
    assert problems(found, report_schema()) == []
    assert found["plan"]["name"] == "full with changes" and found["plan"]["shots"] == [1, 30]
    assert [row["encoder"] for row in found["rows"]][-1] == "raw pixels"
    first = found["rows"][0]
    assert {"knn", "sweep", "linear_1_percent", "linear_1_shot", "linear_ece"} <= first.keys()
    assert set(first["over_seeds"]) >= {"linear", "sweep", "linear_10_percent"}
    assert any("30 images of every class are left out" in note for note in found["notes"])
    assert {path.suffix for path in Path("run/pictures").iterdir()} == {".png"}
    figures = read_run(Path("run")).figures  # what `sslkit compare` reads
    assert {"knn", "sweep", "linear_1_percent", "sweep_ece"} <= figures.keys()
    assert main(["compare", "run"]) == 0
    text = Path("run/evaluation.txt").read_text()
    assert "Chosen on held-out training images" in text and "rankme" in text


def test_options_change_the_quick_protocol(run):
    options = ["--fractions", "0.5", "--shots", "none", "--seeds", "2", "--layers", "1"]
    assert evaluate("run", *options) == 0
    found = report()
    assert found["plan"]["name"] == "quick with changes"
    first = found["rows"][0]
    assert "linear_50_percent" in first and "knn" not in first
    layers = {head["layer"] for head in first["sweep_held_out"]}
    assert "output" in layers and "map 1 of 1, maximum" in layers
    assert first["over_seeds"]["sweep"]["seeds"] == 2


def test_the_best_checkpoint_is_a_row_of_its_own(run):
    best = {"monitor": "val/knn", "best_model_path": "/there/epoch=3.ckpt"}
    write_checkpoint("run/checkpoints/epoch=3.ckpt", seed=9)
    write_checkpoint("run/checkpoints/last.ckpt", callbacks={"ModelCheckpoint": best})
    assert evaluate("run", "--no_cache") == 0
    rows = [row["encoder"] for row in report()["rows"]]
    assert rows == ["pretrained", "best checkpoint (epoch=3.ckpt, by val/knn)", rows[-1]]
    assert rows[1] in report()["protocol"]
    assert evaluate("run/checkpoints/epoch=3.ckpt", "--no_cache", "--out", "alone") == 0
    alone = report("alone")["rows"]
    assert len(alone) == 2 and alone[0]["linear"] == report()["rows"][1]["linear"]


def test_bad_input_is_named_and_leaves_what_was_written(run, capsys):
    assert evaluate("run") == 0
    before = {name: Path("run", name).read_bytes() for name in FILES}
    write_images("unlabelled.npz", labelled=False)
    write_images("one.npz", classes=(1, 1))
    write_images("few.npz", train=9)
    write_images("strange.npz", classes=(2, 3))
    out = ["--out", "run"]
    for file, words in {
        "unlabelled.npz": "label",
        "one.npz": "all 60 are of class 0",
        "few.npz": "k=[20, 200] needs at least one k",
        "strange.npz": "label 2, but the training split has only 2 classes",
    }.items():
        assert words in fails(capsys, "run", "--data", file, *out)
    write_checkpoint("run/checkpoints/last.ckpt", broken=True)
    assert "pretrained encoder are not finite for 60 of 60" in fails(capsys, "run")
    assert {name: Path("run", name).read_bytes() for name in FILES} == before


def test_a_cache_of_another_checkpoint_or_a_damaged_one_is_refused(run, capsys):
    assert evaluate("run") == 0
    before = Path("run/evaluation.json").read_bytes()
    (first, second, *_) = sorted(Path("run/features").iterdir(), key=lambda p: p.stat().st_mtime)
    kept = first.rename(first.with_name("kept"))
    second.rename(first)
    assert "of another checkpoint or of other images" in fails(capsys, "run")
    first.rename(second)
    kept.rename(first)
    assert evaluate("run") == 0
    file = first / "features.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    message = fails(capsys, "run")
    assert "are damaged" in message and str(first) in message and "delete this folder" in message
    assert Path("run/evaluation.json").read_bytes() == before
    assert evaluate("run", "--no_cache") == 0
    assert Path("run/evaluation.json").read_bytes() == before


def test_what_an_interrupted_run_left_in_the_cache_is_no_features(run):
    left = Path("run/features/.unfinished-1-abc")
    left.mkdir(parents=True)
    (left / "features.npy").write_bytes(b"half")
    assert evaluate("run") == 0
    assert left.exists()  # its process may still write
    os.utime(left / "features.npy", (0, 0))
    os.utime(left, (0, 0))
    write_checkpoint("run/checkpoints/last.ckpt", seed=6)
    assert evaluate("run") == 0
    assert not left.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0"], "seeds must be at least 1, got 0"),
        (["--fractions", "10"], "fractions must lie between 0 and 1, got [10.0]"),
        (["--shots", "0"], "shots must be whole numbers from 1 on"),
        (["--shots", "1.5"], "--shots: takes whole numbers with commas between them"),
        (["--fractions", "a,b"], "--fractions: takes numbers with commas between them, or none"),
        (["--protocol", "slow"], "invalid choice: 'slow'"),
    ],
)
def test_options_out_of_range_are_named_before_anything_is_read(tmp_path, capsys, arguments, words):
    assert words in fails(capsys, str(tmp_path / "nowhere"), *arguments)


def test_lists_are_read():
    options = evaluate_parser().parse_args(["x", "--fractions", "0.01,0.1", "--shots", "none"])
    assert options.fractions == (0.01, 0.1) and options.shots == ()
    assert evaluate_parser().parse_args(["x"]).shots is None


def sets_of(count: int, seed: int = 3) -> np.ndarray:
    own = np.eye(3, dtype=np.uint8)[np.arange(count) % 3]
    return own | (np.random.default_rng(seed).random((count, 3)) < 0.2)


def change(path: str, **arrays: np.ndarray) -> None:
    with np.load(path) as found:
        np.savez(path, **dict(found) | arrays)


def test_images_of_several_classes_are_scored_by_map(run, capsys):
    assert evaluate("run") == 0  # leaves predictions of one class an image
    change("images.npz", y_train=sets_of(60), y_test=sets_of(30))
    assert evaluate("run", "--pictures", "seen") == 0
    found = report()
    assert problems(found, report_schema()) == []
    assert found["metric"] == "mAP" and "n_empty" not in found
    first = found["rows"][0]
    assert {"knn_20", "sweep", "sweep_in_set", "sweep_variable_top_k"} <= first.keys()
    assert "Mean average precision" in found["protocol"]["features"]
    assert not Path("run/predictions.npz").exists() and read_run(Path("run")).figures
    assert {p.stem for p in Path("seen").iterdir()} == {
        "neighbours", "tsne", "feature_maps", "spectrum"
    }  # fmt: skip
    assert "There is no confusion matrix" in capsys.readouterr().out


def test_classes_to_train_and_sets_to_test_are_scored_by_top1_in_the_set(run, capsys):
    sets = sets_of(30)
    sets[:4] = 0
    change("images.npz", y_test=sets)
    assert evaluate("run") == 0
    found = report()
    assert problems(found, report_schema()) == []
    assert (found["metric"], found["n_test"], found["n_empty"]) == ("in_set", 26, 4)
    assert any("4 of 30 test images have an empty label set" in note for note in found["notes"])
    text = " ".join(Path("run/evaluation.txt").read_text().split())
    assert "linear, variable top-k" in text and "4 of 30 test images" in text
    assert "right if the predicted class is in its label set" in text
    assert {"linear", "linear_variable_top_k"} <= read_run(Path("run")).figures.keys()
    # The other way round there is nothing to score by.
    change("images.npz", y_train=sets_of(60), y_test=np.arange(30) % 3)
    assert "give the test images a set of all their classes" in fails(capsys, "run")


def test_label_sets_of_a_file(run, capsys):
    assert evaluate("run") == 0
    before = Path("run/evaluation.json").read_bytes()
    sets = sets_of(30)
    sets[[2, 11]] = 0
    Path("real.json").write_text(json.dumps([np.flatnonzero(row).tolist() for row in sets]))
    assert evaluate("run", "--real_labels", "real.json") == 0
    assert Path("run/evaluation.json").read_bytes() == before
    found = report("run/evaluation-real")
    assert problems(found, report_schema()) == []
    assert (found["metric"], found["n_empty"]) == ("in_set", 2)
    assert found["data"]["label sets"] == "real.json"
    change("images.npz", y_test=sets)
    assert evaluate("run", "--out", "own") == 0  # the same sets in the data
    assert report("own")["rows"] == found["rows"]
    Path("short.json").write_text("[[0]]")
    assert "has 1 label sets, and the test split has 30 images" in fails(
        capsys, "run", "--real_labels", "short.json"
    )
    assert "there is no file none.json" in fails(capsys, "run", "--real_labels", "none.json")
