import json

import pytest
from finished_runs import config, write_run

from sslkit.finished_run import read_run


def test_a_run_is_what_its_folder_holds(tmp_path):
    run = read_run(write_run(tmp_path / "run"))
    assert run.figures == {"knn_20": 0.75, "linear": 0.75}
    assert run.row["encoder"] == "pretrained" and run.costs["device"] == "X1"
    assert run.predictions["pretrained"].hits()["linear"].mean() == 0.75
    assert read_run(tmp_path / "run" / "evaluation.json").evaluation == run.evaluation


def test_settings_are_flat_and_leave_out_what_changes_nothing(tmp_path):
    plugin = {"class_path": "sslkit.negatives.HardNegativeMixing", "init_args": {"hardest": 64}}
    settings = config(
        plugins=[plugin, plugin | {"init_args": {"hardest": 128}}], scales=[0.1, 1], bias=False
    )
    run = read_run(write_run(tmp_path / "run", settings))
    assert run.settings == {
        "seed_everything": "0",
        "trainer.max_epochs": "8",
        "model": "SimCLR",
        "model.temperature": "0.1",
        "model.plugins.HardNegativeMixing": "yes",
        "model.plugins.HardNegativeMixing.hardest": "64",
        "model.plugins.HardNegativeMixing 2": "yes",
        "model.plugins.HardNegativeMixing 2.hardest": "128",
        "model.scales": "[0.1, 1]",
        "model.bias": "false",
    }


def test_a_fresh_run_and_an_evaluation_alone_are_runs_too(tmp_path):
    folder = write_run(tmp_path / "run", predictions=False, costs=False)
    write_run(folder / "evaluation-other", wrong=0)
    for name in ("config.yaml", "costs.json"):
        (folder / "evaluation-other" / name).unlink()
    (folder / "evaluation.json").unlink()
    fresh = read_run(folder)
    assert (fresh.figures, fresh.row, fresh.costs, fresh.predictions) == ({}, {}, {}, {})
    other = read_run(folder / "evaluation-other")
    assert other.figures["linear"] == 1 and other.settings == fresh.settings


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run at .*none"):
        read_run(tmp_path / "none")
    write_run(tmp_path / "runs" / "version_3")
    with pytest.raises(ValueError, match=r"holds several runs.*version_3"):
        read_run(tmp_path / "runs")
    with pytest.raises(ValueError, match=r"neither config\.yaml nor evaluation\.json"):
        read_run(tmp_path)
    (tmp_path / "runs/version_3/config.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=r"config.yaml cannot be read"):
        read_run(tmp_path / "runs/version_3")
    (tmp_path / "runs/version_3/config.yaml").write_text("text")
    with pytest.raises(ValueError, match="holds no mapping"):
        read_run(tmp_path / "runs/version_3")


def test_predictions_of_another_evaluation_are_refused(tmp_path):
    folder = write_run(tmp_path / "run")
    found = json.loads((folder / "evaluation.json").read_text())
    found["rows"][0]["linear"] = 0.8
    (folder / "evaluation.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match=r"another evaluation .*linear is 0.7500 and 0.8000"):
        read_run(folder)
