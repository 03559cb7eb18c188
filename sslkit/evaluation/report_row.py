"""One row of a report as plain values: an encoder's figures and what lies behind them."""

from typing import Any

from sslkit.evaluation.heads import Head
from sslkit.evaluation.knn import KNNResult, Vote
from sslkit.evaluation.label_set_figures import LabelSetFigures
from sslkit.evaluation.scores import Scores
from sslkit.evaluation.sweep import SweepResult


def report_row(scores: Scores, *, seed: int) -> dict[str, Any]:
    """Plain values for JSON; shares from 0 to 1, unrounded.

    Args:
        scores: Of the encoder.
        seed: Of the bootstrap.

    Returns:
        ``encoder``; every figure under its name; ``intervals``; and what else there is, see the
        schema (`sslkit.evaluation.report_schema`).
    """
    row: dict[str, Any] = {"encoder": scores.encoder, **scores.figures()}
    if scores.linear is not None:
        row["linear_c"] = scores.linear.c
        row["linear_held_out"] = {f"{c:g}": v for c, v in scores.linear.held_out.items()}
    if scores.votes is not None:
        row |= _votes(scores.votes)
    if scores.sweep is not None:
        row |= _sweep(scores.sweep)
    if scores.few:
        row["few_labels"] = {
            figure: {
                "images": found.images,
                "figures": [result.accuracy for result in found.results],
                "c": [result.c for result in found.results],
            }
            for figure, found in scores.few.items()
        }
    if scores.over_seeds:
        row["over_seeds"] = {name: own._asdict() for name, own in scores.over_seeds.items()}
    if scores.details:
        row["details"] = {probe: own.to_dict() for probe, own in scores.details.items()}
    if scores.label_sets is not None:
        row["label_sets"] = _label_sets(scores.label_sets)
    if scores.representation is not None:
        row["representation"] = scores.representation.to_dict()
    intervals = {name: [*ends] for name, ends in scores.all_intervals(seed=seed).items()}
    return row | ({"intervals": intervals} if intervals else {})


def _votes(votes: KNNResult) -> dict[str, Any]:
    return {
        "knn_chosen": votes.chosen._asdict(),
        "knn_grid": _by_weight(votes.accuracy),
        "knn_held_out": _by_weight(votes.held_out),
    }


def _by_weight(found: dict[Vote, float]) -> dict[str, dict[str, float]]:
    grid: dict[str, dict[str, float]] = {}
    for vote, value in found.items():
        grid.setdefault(vote.weight, {})[str(vote.k)] = value
    return grid


def _sweep(sweep: SweepResult) -> dict[str, Any]:
    best = sweep.best
    return {
        "sweep_head": sweep.head._asdict(),
        "sweep_epochs": sweep.epochs,
        "sweep_held_out": [_with(head, held_out=v) for head, v in sweep.held_out.items()],
        "sweep_best": _with(best.head, epoch=best.epoch, held_out=best.held_out),
    }


def _with(head: Head, **more: float) -> dict[str, Any]:
    return head._asdict() | more


def _label_sets(found: LabelSetFigures) -> dict[str, Any]:
    each = found.average_precision.tolist()
    return {
        "average_precision": [None if value != value else value for value in each],
        "by_label_count": {
            str(count): {"variable_top_k": share, "images": images}
            for count, (share, images) in found.by_count.items()
        },
    }
