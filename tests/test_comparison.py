import json

import numpy as np
import pytest
from finished_runs import PROTOCOL, config, write_run

from sslkit.bootstrap import paired_bootstrap
from sslkit.comparison import Cell, compare_runs
from sslkit.finished_run import read_run


@pytest.fixture
def compare(tmp_path):
    def run(*each):
        """Runs from keyword arguments of `write_run`."""
        names = [f"run{number}" for number in range(len(each))]
        folders = [write_run(tmp_path / n, **one) for n, one in zip(names, each, strict=True)]
        return compare_runs([read_run(folder) for folder in folders], names)

    return run


def rows(found, section):
    return {row.name: row.cells for row in found.sections[section]}


def test_only_settings_that_differ_are_there(compare):
    found = compare({}, {"settings": config(temperature=0.2, queue_size=64)})
    texts = {
        name: [c.text for c in cells] for name, cells in rows(found, "Settings that differ").items()
    }
    assert texts == {"model.temperature": ["0.1", "0.2"], "model.queue_size": ["–", "64"]}


def test_costs_and_figures_are_readable_and_exact(compare):
    found = compare({}, {"costs": False, "wrong": 40})
    costs = rows(found, "Costs")
    assert [costs[name][0].text for name in costs] == ["1 h 2 min", "200", "1,600", "2 x X1"]
    assert all(cells[1] == Cell() for cells in costs.values())
    first, second = rows(found, "Figures")["kNN (20)"]
    assert first == Cell("75.0 % (73.0 to 77.0)", 0.75, 0.73, 0.77)
    assert second.value == 0.9


def test_differences_are_paired_and_from_the_first(compare):
    found = compare({}, {"wrong": 40}, {"wrong": 101})
    first, better, alike = rows(found, "Difference from run0 (points)")["linear"]
    assert first == Cell()
    hits = [[i >= wrong for i in range(400)] for wrong in (100, 40, 101)]
    value, low, high = paired_bootstrap(hits[1], hits[0], seed=0)
    assert (better.value, better.low, better.high) == (value, low, high)
    assert better.text == f"+15.0 ({100 * low:+.1f} to {100 * high:+.1f})" and better.strong
    assert alike.value == pytest.approx(-0.0025) and not alike.strong
    assert "do not hold the spread between training seeds" in found.notes[-1]


def test_only_predictions_of_the_same_images_are_paired(compare):
    unpaired = [
        {"predictions": False},
        {"images": 401},
        {"data": {"data": "/data/fish"}},
    ]
    found = compare({}, *unpaired, {"data": {"data": "/elsewhere/birds"}})
    cells = rows(found, "Difference from run0 (points)")["linear"]
    assert [cell.value for cell in cells] == [None, None, None, None, 0]
    notes = "\n".join(found.notes)
    assert "run1 from run0: predictions of single images are missing" in notes
    assert "run2 from run0: they were scored on other images" in notes
    assert "run3 from run0: they were scored on other data (the test images of birds and" in notes
    assert "run4" not in notes


def test_what_was_measured_otherwise_is_noted(compare):
    found = compare({}, {"n_train": 500, "protocol": PROTOCOL | {"linear": "sgd"}})
    note = (
        "run1 was not scored as run0 was; these differ: n_train (1,000 and 500), the protocol of "
        "linear."
    )
    assert note in found.notes


def test_a_run_without_an_evaluation_is_noted_once(compare, tmp_path):
    folders = [write_run(tmp_path / name) for name in ("a", "b")]
    (folders[1] / "evaluation.json").unlink()
    found = compare_runs([read_run(folder) for folder in folders], ["a", "b"])
    assert [note for note in found.notes if "b" in note.split()[:1]] == [
        f"b has no evaluation: run `sslkit evaluate {folders[1]}`."
    ]
    assert not any("No paired difference" in note for note in found.notes)
    assert rows(found, "Figures")["linear"][1] == Cell()


def test_one_run_is_a_table_and_none_is_not(compare):
    assert list(compare({}).sections) == ["Costs", "Figures"]
    with pytest.raises(ValueError, match="name at least one run"):
        compare_runs([], [])


def test_runs_that_were_scored_by_other_labels_are_not_paired(tmp_path):
    folders = [write_run(tmp_path / name) for name in ("one", "sets", "map")]
    with np.load(folders[1] / "predictions.npz") as file:
        arrays = dict(file)
    right = arrays["label"]
    arrays["label"] = np.eye(int(right.max()) + 1, dtype=bool)[right]
    np.savez(folders[1] / "predictions.npz", **arrays)
    report = json.loads((folders[2] / "evaluation.json").read_text())
    (folders[2] / "predictions.npz").unlink()
    (folders[2] / "evaluation.json").write_text(json.dumps(report | {"metric": "mAP"}))
    notes = compare_runs([read_run(f) for f in folders], ["one", "sets", "map"]).notes
    assert "No paired difference of sets from one: they were scored on other labels." in notes
    assert any("map from one: mean average precision has no share of each" in n for n in notes)
