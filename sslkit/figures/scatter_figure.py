"""Features as points of a plane, coloured by class."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

_NAMED = 20
_INCHES = 8.0  # width of the plane; it is as high as the points need
_LINE = 0.2  # height of a name, in inches
_LETTER = 0.1  # width of a letter of it


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
    wide, high = np.maximum(np.ptp(points, axis=0), 1e-9) if len(points) else (1.0, 1.0)
    figure = Figure(figsize=(_INCHES, _INCHES * np.clip(high / wide, 0.5, 1.1) + 0.8))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    size = float(np.clip(20_000 / max(len(points), 1), 8, 40))
    grey = labels < 0
    axes.scatter(points[grey, 0], points[grey, 1], s=size, color="0.75", linewidths=0)
    named = len(present) <= _NAMED
    names: list[tuple[str, float, float, tuple[float, ...]]] = []
    for number, label in enumerate(present):
        own = points[labels == label]
        colour = scale(number % scale.N)
        axes.scatter(own[:, 0], own[:, 1], s=size, color=colour, alpha=0.8, linewidths=0)
        if named:
            # The point with the nearest others of its class: a mean may lie between two clusters.
            apart = np.square(own[:, None] - own[None]).sum(2)
            nearest = np.sort(apart, axis=1)[:, : max(1, len(own) // 3)].sum(1)
            x, y = own[nearest.argmin()]
            y += (wide / _INCHES) * (np.sqrt(size) / 144 + _LINE / 2)  # above it, not on it
            name = str(label if classes is None else classes[label])
            names.append((name, x, y, tuple(0.6 * c for c in colour[:3])))
    for name, x, y, dark in _apart(names, inch=wide / _INCHES):
        axes.text(
            x, y, name, ha="center", va="center", fontsize=11, color=dark,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)  # names at the rim stay inside
    axes.set_title(title, fontsize=13, loc="left")
    more = "" if named else f" {len(present)} classes share {scale.N} colours."
    figure.supxlabel(note + more, x=0.01, ha="left", fontsize=9, color="0.35")
    return figure


def _apart(
    names: list[tuple[str, float, float, tuple[float, ...]]], *, inch: float
) -> list[tuple[str, float, float, tuple[float, ...]]]:
    """Names, moved up where they would lie on another: text, x, y, colour.

    Args:
        names: Where each would best stand.
        inch: Of the figure, in the units of the points.
    """
    placed: list[tuple[str, float, float, tuple[float, ...]]] = []
    for name, x, y, colour in sorted(names, key=lambda item: item[2]):
        for other, near, below, _ in placed:  # from below, so that moving up passes all of them
            room = _LETTER * inch * (len(name) + len(other)) / 2
            if abs(x - near) < room and abs(y - below) < _LINE * inch:
                y = below + _LINE * inch
        placed.append((name, x, y, colour))
        placed.sort(key=lambda item: item[2])
    return placed
