"""Features as points of a plane, coloured by class."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

_NAMED = 20


def scatter_figure(
    points: NDArray[np.floating],
    labels: NDArray[np.int64],
    *,
    classes: Sequence[str] | None = None,
    title: str,
    note: str,
) -> Figure:
    """Draw the points, with the names of up to 20 classes where most of their points lie.

    Args:
        points: ``(n, 2)``.
        labels: ``(n,)``, −1 = unlabelled, drawn in grey.
        classes: Names of the classes; None writes their numbers.
        title: Of the figure.
        note: Below it.

    Returns:
        The figure.
    """
    present = np.unique(labels[labels >= 0])
    scale = mpl.colormaps["tab10" if len(present) <= 10 else "tab20"]
    figure = Figure(figsize=(8, 8), layout="constrained")
    axes = figure.subplots()
    size = float(np.clip(20_000 / max(len(points), 1), 8, 40))
    grey = labels < 0
    axes.scatter(points[grey, 0], points[grey, 1], s=size, color="0.75", linewidths=0)
    named = len(present) <= _NAMED
    for number, label in enumerate(present):
        own = points[labels == label]
        colour = scale(number % scale.N)
        axes.scatter(own[:, 0], own[:, 1], s=size, color=colour, alpha=0.8, linewidths=0)
        if named:
            # The point with the nearest others of its class: a mean may lie between two clusters.
            apart = np.square(own[:, None] - own[None]).sum(2)
            nearest = np.sort(apart, axis=1)[:, : max(1, len(own) // 3)].sum(1)
            x, y = own[nearest.argmin()]
            axes.text(
                x, y, str(label if classes is None else classes[label]),
                ha="center", va="center", fontsize=11, color=tuple(0.6 * c for c in colour[:3]),
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title, fontsize=13, loc="left")
    more = "" if named else f" {len(present)} classes share {scale.N} colours."
    figure.supxlabel(note + more, x=0.01, ha="left", fontsize=9, color="0.35")
    return figure
