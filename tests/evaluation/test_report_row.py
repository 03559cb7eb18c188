import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from clouds import clouds
from json_check import problems

from sslkit.evaluation import Plan, evaluate_features, report_schema
from sslkit.evaluation.report_row import report_row

FULL = Plan(grid=(1, 3), sweep=True, epochs=1, shots=(1,), seeds=2, details=True)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)
    monkeypatch.setattr("sslkit.evaluation.label_set_figures.RESAMPLES", 10)


def scored(plan=FULL, **kinds):
    train, test = (clouds(40 + 20 * s, seed=s, several=kinds.get("several", False)) for s in (0, 1))
    return evaluate_features(train, test, seed=3, k=(5,), plan=plan)


def schema_of_a_row():
    whole = report_schema()
    return {"$defs": whole["$defs"], "$ref": "#/$defs/row"}


@pytest.mark.parametrize("several", [False, True])
def test_a_row_is_plain_values_by_the_schema(several):
    row = report_row(scored(several=several), seed=0)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert problems(row, schema_of_a_row()) == []


def test_what_was_chosen_stands_beside_what_it_was_chosen_from():
    scores = scored()
    row = report_row(scores, seed=0)
    held = row["knn_held_out"]
    best = max(share for votes in held.values() for share in votes.values())
    chosen = row["knn_chosen"]
    assert held[chosen["weight"]][str(chosen["k"])] == best
    assert row["knn"] == row["knn_grid"][chosen["weight"]][str(chosen["k"])]
    assert row["linear_held_out"][f"{row['linear_c']:g}"] == max(row["linear_held_out"].values())
    heads = [{k: v for k, v in head.items() if k != "held_out"} for head in row["sweep_held_out"]]
    assert row["sweep_head"] in heads and len(heads) == 20
    assert row["sweep_best"]["epoch"] <= row["sweep_epochs"]
    few = row["few_labels"]["linear_1_shot"]
    assert few["images"] == 3 and len(few["figures"]) == len(few["c"]) == 2
    assert row["linear_1_shot"] == few["figures"][0]
    assert row["over_seeds"]["linear_1_shot"]["seeds"] == 2
    assert np.sum(row["details"]["linear"]["confusion"]) == 60


def test_a_class_without_images_has_no_precision():
    scores = scored(Plan(epochs=1), several=True)
    missing = scores.label_sets.average_precision.clone()
    missing[1] = torch.nan
    scores = replace(scores, label_sets=scores.label_sets._replace(average_precision=missing))
    row = report_row(scores, seed=0)
    assert row["label_sets"]["average_precision"][1] is None
    counted = row["label_sets"]["by_label_count"].values()
    assert sum(group["images"] for group in counted) == 60
    assert row["intervals"].keys() == {"knn_5", "sweep", "sweep_in_set", "sweep_variable_top_k"}


def test_what_there_is_not_has_no_key():
    row = report_row(replace(scored(Plan()), predictions=None), seed=0)
    assert row.keys() == {"encoder", "knn_5", "linear", "linear_c", "linear_held_out"}
