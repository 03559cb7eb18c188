import copy
import json
from pathlib import Path

import pytest
from clouds import clouds
from json_check import problems

from sslkit.evaluation import Plan, Report, evaluate_features, report_schema

RECORDS = Path(__file__).resolve().parents[2] / "benchmarks" / "records"
PLAN = Plan(grid=(1, 5), sweep=True, epochs=2, seeds=2, shots=(2,), fractions=(0.1,), details=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, dict]:
    """The content of evaluation.json by kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)
        patch.setattr("sslkit.evaluation.label_set_figures.RESAMPLES", 5)
        kinds = {"full": (False, PLAN), "label sets": (True, PLAN), "quick": (False, Plan())}
        return {
            kind: _write(tmp_path_factory.mktemp("report"), *how) for kind, how in kinds.items()
        }


def _write(folder: Path, several: bool, plan: Plan) -> dict:
    train, test = clouds(several=several), clouds(45, seed=1, several=several)
    scores = evaluate_features(train, test, seed=0, k=(5, 200), plan=plan)
    report = Report("a.ckpt", {"data": "b"}, [scores], seed=0, plan=plan, classes=["x", "y", "z"])
    return json.loads(report.write(folder)[0].read_text())


def test_what_is_written_fits(written):
    for report in written.values():
        assert problems(report, report_schema()) == []
    common = {"sweep_held_out", "over_seeds", "intervals"}
    assert common | {"knn_grid", "few_labels", "details"} <= set(written["full"]["rows"][0])
    assert common | {"label_sets"} <= set(written["label sets"]["rows"][0])


def test_the_score_of_a_trained_classifier_fits(written):
    report = copy.deepcopy(written["quick"])
    figures = {"top1": 0.5, "top5": 0.9}
    intervals = {name: [0.4, 1.0] for name in figures}
    report["rows"] = [{"encoder": "LinearProbe", **figures, "intervals": intervals}]
    assert problems(report, report_schema()) == []


def test_reports_of_earlier_releases_fit():
    found = [json.loads(path.read_text()) for path in RECORDS.glob("*.json")]
    reports = [record["evaluation"] for record in found if "evaluation" in record]
    assert len(reports) > 10
    for report in reports:
        assert problems(report, report_schema()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.pop("n_train"),
        lambda report: report.update(surprise=1),
        lambda report: report.update(version=2),
        lambda report: report.update(split="train"),
        lambda report: report["rows"].clear(),
        lambda report: report["rows"][0].update(linear=51.2),
        lambda report: report["rows"][0].update(linear_probe=0.5),
        lambda report: report["rows"][0]["intervals"].update(linear=[0.5]),
        lambda report: report["rows"][0]["knn_chosen"].update(weight="heavy"),
        lambda report: report["rows"][0]["sweep_head"].pop("layer"),
        lambda report: report["plan"].update(seeds=True),
    ],
)
def test_what_is_wrong_does_not_fit(written, change):
    found = copy.deepcopy(written["full"])
    change(found)
    assert problems(found, report_schema())
