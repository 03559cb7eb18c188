"""How the scores of positives and negatives move in a run: the feature-transformation picture.

After Zhu et al., "Improving Contrastive Learning by Visualizing Feature Transformation", 2021,
https://arxiv.org/abs/2108.02982, with the hardest negatives beside what the paper draws.
"""

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sslkit.figures.curve_file import Curves
from sslkit.figures.drawing import averaged, colours, finish, horizontal, plot

# Column (a pattern for the hardest negatives, whose number is in the name), title, vertical axis.
_PANELS = (
    ("negative_mean", "Negatives: mean", "score"),
    ("negative_variance", "Negatives: variance", "variance of an anchor's scores"),
    (r"negative_top(\d+)_mean", "Negatives: mean of the hardest", "score"),
    ("negative_exp_mean", "Negatives: mean weight in the loss", "mean of exp(score / τ)"),
    ("positive_mean", "Positives: mean", "score"),
    ("positive_variance", "Positives: variance", "variance over anchors"),
    ("positive_exp_mean", "Positives: mean weight in the loss", "mean of exp(score / τ)"),
)
_TREATED = "treated/"


def score_figure(runs: Mapping[str, Curves]) -> Figure:
    """Draw the curves of `sslkit.callbacks.ScoreMonitor`, of one run or of several together.

    Runs differ in colour; what plug-ins made of the scores is dashed, where there were any. A score
    is the dot product of an anchor and another vector, before the temperature.

    Args:
        runs: The columns of each run (`read_curves`) under the name that the legend gives it.

    Returns:
        Seven panels and a legend.

    Raises:
        ValueError: If there is no run, or one has no rows.
    """
    if not runs:
        raise ValueError("score_figure needs the curves of at least one run, got none.")
    for name, run in runs.items():
        if len(run["step"]) == 0:
            raise ValueError(f"there is nothing to draw of {name}: no step was recorded.")
    over = horizontal(runs.values())
    figure = Figure(figsize=(15, 7), layout="constrained")
    panels = figure.subplots(2, 4).flatten().tolist()
    legend = panels.pop()
    for axes, (pattern, title, label) in zip(panels, _PANELS, strict=True):
        counts = _draw(axes, runs, over, pattern)
        hardest = f" {' or '.join(map(str, sorted(counts)))}" if counts else ""
        if "mean" not in pattern or "exp" in pattern:  # these span orders of magnitude
            axes.set_yscale("log")
        finish(axes, title + hardest, over, label)
    _explain(legend, runs)
    figure.suptitle("Scores of positives and negatives", x=0.01, ha="left", fontsize=14)
    note = "Score: dot product with the anchor, before the temperature τ" + averaged(runs.values())
    figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color="0.35")
    return figure


def _draw(axes: Axes, runs: Mapping[str, Curves], over: str, pattern: str) -> set[int]:
    """Draw what matches the pattern; returns the numbers of hardest negatives in the names."""
    counts: set[int] = set()
    for run, colour in zip(runs.values(), colours(len(runs)), strict=True):
        for column in run:
            match = re.fullmatch(f"({_TREATED})?{pattern}", column)
            if match is None:
                continue
            counts |= {int(count) for count in match.groups()[1:]}
            line = "--" if match[1] else "-"
            plot(axes, run, over, column, color=colour, linestyle=line, linewidth=1.6)
    return counts


def _explain(axes: Axes, runs: Mapping[str, Curves]) -> None:
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=name)
        for name, colour in zip(runs, colours(len(runs)), strict=True)
    ]
    treated = [run.get(f"{_TREATED}negative_mean") for run in runs.values()]
    if any(column is not None and np.isfinite(column).any() for column in treated):
        handles += [
            Line2D([], [], color="0.35", linestyle="-", label="before plug-ins"),
            Line2D([], [], color="0.35", linestyle="--", label="after plug-ins"),
        ]
    axes.set_axis_off()
    axes.legend(
        handles=handles, loc="upper left", frameon=False, fontsize=min(10, 150 / len(handles))
    )
