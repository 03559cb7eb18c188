"""Folders as runs leave them, made without training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sslkit.predictions import Predictions, predictions_bytes

FIGURES = ("knn_20", "linear")
PROTOCOL = {"features": "pooled", "knn_20": "20 vote", "linear": "lbfgs", "intervals": "95 %"}


def config(**changes: Any) -> dict[str, Any]:
    """A resolved config; changes are those of the method's arguments."""
    return {
        "seed_everything": 0,
        "trainer": {"max_epochs": 8, "default_root_dir": f"runs/{len(changes)}"},
        "model": {
            "class_path": "sslkit.methods.SimCLR",
            "init_args": {"temperature": 0.1, "plugins": None, **changes},
        },
        "recipe": {"name": str(changes)},
    }


def write_run(
    folder: Path,
    settings: dict[str, Any] | None = None,
    *,
    wrong: int = 100,
    images: int = 400,
    predictions: bool = True,
    costs: bool = True,
    **changes: Any,
) -> Path:
    """Write a run whose encoder takes the first ``wrong`` images for another class."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings or config()))
    label = np.arange(images) % 4
    found = np.where(np.arange(images) < wrong, label + 1, label)
    value = float((found == label).mean())
    row = {"encoder": "pretrained", **dict.fromkeys(FIGURES, value), "linear_c": 0.1}
    row["intervals"] = {figure: [value - 0.02, value + 0.02] for figure in FIGURES}
    evaluation = {
        "data": {"data": "/data/birds"},
        "split": "test",
        "n_train": 1000,
        "n_test": images,
        "num_classes": 4,
        "protocol": PROTOCOL,
        "rows": [row, row | {"encoder": "random initialisation"}],
    }
    (folder / "evaluation.json").write_text(json.dumps(evaluation | changes))
    if predictions:
        kept = Predictions(np.arange(images), label, dict.fromkeys(FIGURES, found))
        (folder / "predictions.npz").write_bytes(predictions_bytes({"pretrained": kept}))
    if costs:
        spent = {"seconds": 3725.4, "steps": 1600, "images": 745_080, "ranks": 2, "device": "X1"}
        (folder / "costs.json").write_text(json.dumps(spent))
    return folder
