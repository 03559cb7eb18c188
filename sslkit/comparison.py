"""Runs beside each other: settings that differ, costs, figures with intervals, differences.

Without torch. The first run is what the others are compared with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from sslkit.bootstrap import LEVEL, paired_bootstrap
from sslkit.finished_run import FinishedRun
from sslkit.predictions import Predictions

_UNSCORED = "one of them has no evaluation"  # which a note says already


@dataclass(frozen=True)
class Cell:
    """One entry of the table.

    Attributes:
        text: As it is read.
        value: The same as a number where it is one; accuracies and differences are shares.
        low: Lower end of its interval, where there is one.
        high: Its upper end.
        strong: Whether it stands out: an interval without 0.
    """

    text: str = "–"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    strong: bool = False


@dataclass(frozen=True)
class Row:
    """What is compared, and one cell for each run."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        runs: Their names.
        sections: Rows under their headings.
        notes: What the reader must know of them, in sentences.
    """

    runs: Sequence[str]
    sections: dict[str, list[Row]]
    notes: list[str]


def compare_runs(runs: Sequence[FinishedRun], names: Sequence[str], *, seed: int = 0) -> Comparison:
    """Put runs beside each other.

    Args:
        runs: At least one; with the first, the others are compared.
        names: One for each.
        seed: Of the bootstrap.

    Raises:
        ValueError: If there are no runs.
    """
    if not runs:
        raise ValueError("there is nothing to compare: name at least one run.")
    notes = [
        f"{name} has no evaluation: run `sslkit evaluate {run.folder}`."
        for run, name in zip(runs, names, strict=True)
        if not run.evaluation
    ]
    figures = list(dict.fromkeys(figure for run in runs for figure in run.figures))
    sections = {
        "Settings that differ": _settings(runs),
        "Costs": _costs(runs),
        "Figures": [
            Row(_heading(figure), [_figure(run, figure) for run in runs]) for figure in figures
        ],
    }
    notes += _unlike(runs, names, figures)
    if len(runs) > 1 and figures:
        differences, why = _differences(runs, names, figures, seed)
        sections[f"Difference from {names[0]} (points)"] = differences
        notes += why
    if any(row.cells[i].low is not None for row in sections["Figures"] for i in range(len(runs))):
        notes.append(
            f"Intervals: {LEVEL:.0%} bootstrap over the scored images, of differences over pairs "
            "of predictions for the same image; bold: an interval without 0. They do not hold the "
            "spread between training seeds."
        )
    return Comparison(names, {title: rows for title, rows in sections.items() if rows}, notes)


def _settings(runs: Sequence[FinishedRun]) -> list[Row]:
    known = [run for run in runs if run.settings]
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [
        Row(key, [Cell(run.settings.get(key, "–")) for run in runs])
        for key in keys
        if len({run.settings.get(key) for run in known}) > 1
    ]


def _costs(runs: Sequence[FinishedRun]) -> list[Row]:
    rows = [
        Row("training time", [_duration(run.costs.get("seconds")) for run in runs]),
        Row("images a second", [_rate(run.costs) for run in runs]),
        Row("optimiser steps", [_count(run.costs.get("steps")) for run in runs]),
        Row("device", [Cell(_device(run.costs)) if run.costs else Cell() for run in runs]),
    ]
    return [row for row in rows if any(cell != Cell() for cell in row.cells)]


def _figure(run: FinishedRun, figure: str) -> Cell:
    if figure not in run.figures:
        return Cell()
    value = run.figures[figure]
    low, high = run.row.get("intervals", {}).get(figure, (None, None))
    text = f"{100 * value:.1f} %"
    if low is not None:
        text += f" ({100 * low:.1f} to {100 * high:.1f})"
    return Cell(text, value, low, high)


def _differences(
    runs: Sequence[FinishedRun], names: Sequence[str], figures: Sequence[str], seed: int
) -> tuple[list[Row], list[str]]:
    first, rows, why = runs[0], [], []
    obstacles = [_not_paired(first, run) for run in runs]
    for name, obstacle in zip(names[1:], obstacles[1:], strict=True):
        if obstacle and obstacle != _UNSCORED:
            why.append(f"No paired difference of {name} from {names[0]}: {obstacle}.")
    for figure in figures:
        cells = [Cell()]
        for run, obstacle in zip(runs[1:], obstacles[1:], strict=True):
            a, b = (_predictions(one) for one in (run, first))
            if obstacle or a is None or b is None:
                cells.append(Cell())
                continue
            if figure not in a.predicted or figure not in b.predicted:
                cells.append(Cell())
                continue
            hits = a.hits()[figure], b.hits()[figure]
            value, low, high = paired_bootstrap(*hits, seed=seed)
            text = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
            cells.append(Cell(text, value, low, high, strong=not low <= 0 <= high))
        rows.append(Row(_heading(figure), cells))
    return [row for row in rows if any(cell.value is not None for cell in row.cells)], why


def _predictions(run: FinishedRun) -> Predictions | None:
    return run.predictions.get(run.row.get("encoder", ""))


def _not_paired(first: FinishedRun, run: FinishedRun) -> str:
    """Why two runs have no predictions of the same images, or nothing."""
    if not (first.evaluation and run.evaluation):
        return _UNSCORED
    a, b = _predictions(first), _predictions(run)
    if "mAP" in (first.evaluation.get("metric"), run.evaluation.get("metric")):
        return "mean average precision has no share of each single image"
    if a is None or b is None:
        return "predictions of single images are missing, which `sslkit evaluate` writes"
    if not (np.array_equal(a.index, b.index) and np.array_equal(a.label, b.label)):
        same = np.array_equal(a.index, b.index)
        return f"they were scored on other {'labels' if same else 'images'}"
    if _images(first) != _images(run):
        return f"they were scored on other data ({_images(first)} and {_images(run)})"
    return ""


def _images(run: FinishedRun) -> str:
    """Which images were scored, in words; of a path its end, which other machines share."""
    data = PurePath(str(run.evaluation.get("data", {}).get("data", ""))).name
    return f"the {run.evaluation.get('split', 'test')} images of {data}"


def _unlike(runs: Sequence[FinishedRun], names: Sequence[str], figures: Sequence[str]) -> list[str]:
    """What keeps figures of two runs from being comparable."""
    notes: list[str] = []
    evaluated = [(run, name) for run, name in zip(runs, names, strict=True) if run.evaluation]
    for run, name in evaluated[1:]:
        first, before = evaluated[0]
        other = [
            f"{key} ({_shown(first, key)} and {_shown(run, key)})"
            for key in ("n_train", "n_test", "num_classes", "split")
            if first.evaluation.get(key) != run.evaluation.get(key)
        ]
        protocols = (one.evaluation.get("protocol", {}) for one in (first, run))
        mine, theirs = ({k: p[k] for k in (*figures, "features") if k in p} for p in protocols)
        shared = mine.keys() & theirs.keys()
        other += [f"the protocol of {k}" for k in mine if k in shared and mine[k] != theirs[k]]
        if other:
            notes.append(
                f"{name} was not scored as {before} was; these differ: {', '.join(other)}."
            )
    return notes


def _shown(run: FinishedRun, key: str) -> str:
    value = run.evaluation.get(key)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _heading(figure: str) -> str:
    return f"kNN ({figure.removeprefix('knn_')})" if figure.startswith("knn_") else figure


def _duration(seconds: float | None) -> Cell:
    if seconds is None:
        return Cell()
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return Cell(f"{hours} h {left} min", seconds)
    return Cell(f"{minutes} min {rest} s" if minutes else f"{rest} s", seconds)


def _rate(costs: dict[str, float]) -> Cell:
    if not costs.get("images") or not costs.get("seconds"):
        return Cell()
    rate = costs["images"] / costs["seconds"]
    return Cell(f"{rate:,.0f}", rate)


def _count(value: float | None) -> Cell:
    return Cell() if value is None else Cell(f"{value:,.0f}", value)


def _device(costs: dict[str, object]) -> str:
    ranks = costs.get("ranks", 1)
    return f"{ranks} x {costs.get('device')}" if ranks != 1 else str(costs.get("device"))
