"""What a run has left in its folder, read without torch: settings, costs, figures, predictions."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sslkit import plain_yaml
from sslkit.predictions import FILE as PREDICTIONS
from sslkit.predictions import Predictions, read_predictions
from sslkit.run_names import has_any
from sslkit.settings import settings_of

CONFIG, EVALUATION, COSTS = "config.yaml", "evaluation.json", "costs.json"


@dataclass(frozen=True)
class FinishedRun:
    """A run as its folder has it; what is not there is empty.

    Attributes:
        folder: The folder.
        settings: The resolved config, flat: ``model.encoder.name`` and its value as text.
        evaluation: ``evaluation.json``.
        predictions: What each scored image was taken for, by encoder.
        costs: ``costs.json``.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, Predictions] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> dict[str, Any]:
        """What was found for the trained encoder, empty without an evaluation."""
        return next(iter(self.evaluation.get("rows", [])), {})

    @property
    def figures(self) -> dict[str, float]:
        """The figures of the trained encoder, shares from 0 to 1."""
        protocol = self.evaluation.get("protocol", {})
        return {
            name: float(value)
            for name, value in self.row.items()
            if name in protocol and isinstance(value, int | float)
        }


def read_run(path: Path) -> FinishedRun:
    """Read the folder of a run, or an evaluation's folder in it.

    Args:
        path: The folder, or a file in it.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no run's, holds several, or a file in it cannot be read.
    """
    folder = path.parent if path.is_file() else path
    files = {name: folder / name for name in (CONFIG, EVALUATION, COSTS, PREDICTIONS)}
    if not has_any(folder, (CONFIG, EVALUATION), purpose="compare"):
        raise ValueError(
            f"{folder} is not the folder of a run: it has neither {CONFIG} nor {EVALUATION}."
        )
    for name in (CONFIG, COSTS):  # of an evaluation's folder in the run's
        if not files[name].is_file():
            files[name] = folder.resolve().parent / name
    config = _parsed(files[CONFIG])
    run = FinishedRun(
        folder=folder,
        settings=settings_of(config),
        evaluation=_parsed(files[EVALUATION]),
        predictions=read_predictions(files[PREDICTIONS]) if files[PREDICTIONS].is_file() else {},
        costs=_parsed(files[COSTS]),
    )
    _check_predictions(run, files[PREDICTIONS])
    return run


def _parsed(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file; empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else plain_yaml.load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read ({error}): move it away.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no mapping: it is not what a run writes.")
    return found


def _check_predictions(run: FinishedRun, path: Path) -> None:
    """Refuse predictions that are not those of the figures."""
    found = run.predictions.get(run.row.get("encoder", ""))
    for figure, hits in (found.hits() if found else {}).items():
        if figure in run.figures and abs(float(hits.mean()) - run.figures[figure]) > 1e-9:
            raise ValueError(
                f"{path} is of another evaluation than {EVALUATION} beside it ({figure} is "
                f"{hits.mean():.4f} and {run.figures[figure]:.4f}): run `sslkit evaluate` again."
            )
