import json
from dataclasses import replace

import numpy as np
import pytest

from sslkit.bootstrap import bootstrap_interval
from sslkit.evaluation import LinearResult, Report, Scores
from sslkit.evaluation.report import library_versions
from sslkit.predictions import Predictions, read_predictions


def scores(encoder: str, knn: float, linear: float) -> Scores:
    return Scores(
        encoder=encoder,
        knn={20: knn, 200: knn - 0.01},
        linear=LinearResult(linear, 0.1, {0.01: 0.7, 0.1: linear}),
        n_train=5000,
        n_test=1000,
        num_classes=10,
        feature_width=128,
    )


@pytest.fixture
def report() -> Report:
    return Report(
        checkpoint="last.ckpt",
        data={"data": "quickstart", "train_images": 5000, "test_images": None},
        scores=[
            scores("pretrained", 0.78512345, 0.83),
            scores("random initialisation", 0.53, 0.606),
        ],
        seed=7,
    )


def test_json_holds_everything_unrounded(report, tmp_path):
    written, _ = report.write(tmp_path)
    found = json.loads(written.read_text())
    assert found == report.to_dict()
    assert found["version"] == 1 and found["checkpoint"] == "last.ckpt"
    assert found["seeds"] == {"held_out": 7, "random_initialisation": 7}
    assert (found["n_train"], found["n_test"]) == (5000, 1000)
    first, second = found["rows"]
    assert first["encoder"] == "pretrained" and second["encoder"] == "random initialisation"
    assert (first["knn_20"], first["linear"], first["linear_c"]) == (0.78512345, 0.83, 0.1)
    assert first["linear_held_out"] == {"0.01": 0.7, "0.1": 0.83}
    assert {"knn_20", "knn_200", "linear"} <= found["protocol"].keys()
    assert found["data"] == {"data": "quickstart", "train_images": 5000, "test_images": None}
    assert (found["split"], found["notes"]) == ("test", [])
    assert {"python", "sslkit", "torch", "timm", "scikit-learn"} <= found["versions"].keys()


def test_text_is_a_plain_table_with_one_decimal(report, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    _, path = report.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text == report.text()
    row = next(line for line in text.splitlines() if "pretrained" in line)
    assert [cell in row for cell in ("78.5 %", "77.5 %", "83.0 %")] == [True] * 3
    assert "53.0 %" in text and "kNN (200)" in text
    assert "5,000 training and 1,000 test images, 10 classes" in " ".join(text.split())
    assert "exp(cos / 0.07)" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 88


def test_the_table_says_which_images_and_passes_over_what_is_not_given(report):
    lines = report.text().splitlines()
    assert "data: quickstart; train images: 5,000" in lines
    assert "None" not in report.text()


def test_a_report_on_the_validation_images_says_so(report):
    validated = replace(report, split="val")
    assert validated.to_dict()["split"] == "validation"
    text = " ".join(validated.text().split())
    assert "5,000 training and 1,000 validation images" in text
    assert "as the data has no labelled test split" in text


def test_a_k_that_is_left_out_is_noted(report):
    few = [
        replace(one, n_train=1100, knn={20: one.knn[20]}, left_out=(2000,)) for one in report.scores
    ]
    noted = replace(report, scores=few)
    found = noted.to_dict()
    note = "kNN (2000) is left out: there are only 1,100 labelled training images."
    assert found["notes"] == [note]
    assert "knn_2000" not in found["rows"][0] and "knn_2000" not in found["protocol"]
    assert note in noted.text()


def test_versions_of_more_libraries():
    found = library_versions("pytest", "no-such-distribution")
    assert found["pytest"] == pytest.__version__
    assert found["no-such-distribution"] == "unknown"
    assert found.keys() - library_versions().keys() == {"pytest", "no-such-distribution"}


def test_intervals_and_predictions_are_written_where_there_are_predictions(report, tmp_path):
    label = np.arange(1000) % 10
    found = np.where(np.arange(1000) < 300, label + 1, label)
    kept = Predictions(np.arange(1000), label, {"knn_20": found, "knn_200": label, "linear": found})
    first, second = report.scores
    report = replace(report, scores=[replace(first, predictions=kept), second])
    written, _ = report.write(tmp_path)
    row, other = json.loads(written.read_text())["rows"]
    low, high = bootstrap_interval(found == label, seed=7)
    assert row["intervals"] == {"knn_20": [low, high], "knn_200": [1, 1], "linear": [low, high]}
    assert "intervals" not in other
    assert (
        "95% percentile bootstrap over the test images" in report.to_dict()["protocol"]["intervals"]
    )
    lines = report.text().splitlines()
    below = lines[next(i for i, line in enumerate(lines) if "│ pretrained" in line) + 1]
    assert f"{100 * low:.1f} – {100 * high:.1f}" in below and max(map(len, lines)) <= 88
    (name,) = read_predictions(tmp_path / "predictions.npz")
    assert name == "pretrained"


def test_without_predictions_nothing_is_said_of_intervals(report, tmp_path):
    assert "intervals" not in report.to_dict()["protocol"]
    assert "bootstrap" not in report.text()
    report.write(tmp_path)
    assert not (tmp_path / "predictions.npz").exists()


def test_replaces_earlier_files_and_leaves_nothing_else(report, tmp_path):
    for name in ("evaluation.json", "predictions.npz"):  # of another evaluation
        (tmp_path / name).write_text("old")
    report.write(tmp_path)
    report.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evaluation.json", "evaluation.txt"]


def test_a_write_that_fails_leaves_the_earlier_file_whole(report, tmp_path, monkeypatch):
    report.write(tmp_path)
    before = (tmp_path / "evaluation.json").read_text()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sslkit.whole_file.os.replace", fail)
    with pytest.raises(OSError, match=r"folder .* \(No space left on device\)"):
        report.write(tmp_path)
    assert (tmp_path / "evaluation.json").read_text() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_named(report, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match=r"cannot be written to the folder .*taken"):
        report.write(tmp_path / "taken" / "run")


def test_a_figure_that_is_not_finite_is_never_written(report, tmp_path):
    broken = Report("x.ckpt", {}, [scores("pretrained", float("nan"), 0.5)], seed=0)
    with pytest.raises(ValueError):
        broken.write(tmp_path)
    assert not list(tmp_path.iterdir())
