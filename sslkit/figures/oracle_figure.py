"""How many of the hardest negatives are none: the oracle's picture of a run.

After Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", 2020, section 3,
https://arxiv.org/abs/2010.01028, for several numbers of hardest negatives and with the base rate.
"""

import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sslkit.figures.curve_file import Curves
from sslkit.figures.drawing import averaged, finish, horizontal, plot, shades

_TREATED = "treated/"


def oracle_figure(run: Curves, name: str) -> Figure:
    """Draw the curves of `sslkit.callbacks.NegativeOracle`.

    Args:
        run: The columns of a run (`read_curves`).
        name: What the title calls the run.

    Returns:
        One panel: a curve for each number of hardest negatives that is not all of them, the share
        among all dotted, and what plug-ins left dashed, where there were any.

    Raises:
        ValueError: If there are no rows.
    """
    if len(run["step"]) == 0:
        raise ValueError("there is nothing to draw: no step was recorded.")
    over = horizontal([run])
    percent = {k: v if k in ("step", "epoch") else 100 * v for k, v in run.items()}
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    found = [m for m in (re.fullmatch(r"top(\d+)", column) for column in run) if m]
    counts = sorted(
        int(m[1]) for m in found if not np.array_equal(run[m[0]], run["all"], equal_nan=True)
    )
    names = {f"top{count}": f"hardest {count:,}" if count > 1 else "hardest" for count in counts}
    drawn = dict(zip(names, shades(len(names)), strict=True)) | {"all": "0.45"}
    names["all"] = "all (base rate)"
    handles = []
    for column, colour in drawn.items():
        line, after = ":" if column == "all" else "-", f"{_TREATED}{column}"
        plot(axes, percent, over, column, color=colour, linestyle=line, linewidth=1.8)
        plot(axes, percent, over, after, color=colour, linestyle="--", linewidth=1.4)
        handles.append(Line2D([], [], color=colour, linestyle=line, label=names[column]))
    if any(np.isfinite(run.get(f"{_TREATED}{column}", np.nan)).any() for column in names):
        handles.append(Line2D([], [], color="0.35", linestyle="--", label="after plug-ins"))
    axes.set_ylim(bottom=0)
    finish(axes, f"{name}: negatives of the anchor's own class", over, "share of the negatives (%)")
    # Beside the curves, which may be anywhere.
    figure.legend(
        handles=handles, loc="outside right upper", frameon=False, title="among the negatives"
    )
    note = "Means over anchors with a label" + averaged([run])
    figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color="0.35")
    return figure
