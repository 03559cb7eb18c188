"""What the figures share: colours, axes, curves of a bearable number of points."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sslkit.figures.curve_file import Curves
from sslkit.whole_file import whole_file

# Okabe and Ito's colours, told apart by the colour-blind; without yellow, which is faint on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
FORMATS = (".png", ".pdf", ".svg")
POINTS = 150


def colours(count: int) -> list[str]:
    """As many colours, told apart by the colour-blind; of many, shades from dark to light."""
    if count <= len(_COLOURS):
        return list(_COLOURS[:count])
    return shades(count)


def shades(count: int) -> list[str]:
    """Colours in an order that can be seen, dark to light."""
    scale = mpl.colormaps["viridis"]
    return [to_hex(scale(at)) for at in np.linspace(0, 0.85, count)]


def horizontal(runs: Iterable[Curves]) -> str:
    """What the curves of all runs can be drawn over: ``epoch``, or ``step`` where one has none."""
    epochs = [run.get("epoch", np.full(1, np.nan)) for run in runs]
    return "epoch" if not any(np.isnan(epoch).any() for epoch in epochs) else "step"


def thin(x: np.ndarray, y: np.ndarray, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Means of equally many neighbouring values, where there are more than can be seen.

    Args:
        x: (n,) where the values are.
        y: (n,) values; NaN where there is none.
        points: How many are left at most.

    Returns:
        x and y (at most ``points``,); NaN where a mean would be of nothing.
    """
    if len(x) <= points:
        return x, y
    groups = np.array_split(np.arange(len(x)), points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
        return tuple(np.array([np.nanmean(v[g]) for g in groups]) for v in (x, y))  # pyright: ignore[reportReturnType]


def plot(axes: Axes, run: Curves, over: str, column: str, **style: object) -> None:
    """Draw a column, if it is there; as dots where there are too few values for a line."""
    if column not in run or np.isnan(run[column]).all():
        return
    x, y = thin(run[over], run[column])
    few = np.isfinite(y).sum() < 3
    axes.plot(x, y, marker="o" if few else None, markersize=4, **style)  # pyright: ignore[reportArgumentType]


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Title and labels, a faint grid, no frame."""
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel("epoch" if x == "epoch" else "optimiser step", fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=9)
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def averaged(runs: Iterable[Curves]) -> str:
    """The end of a note: how many steps a point of the longest run is the mean of."""
    most = -(-max(len(run["step"]) for run in runs) // POINTS)
    return f"; a point is the mean of up to {most} recorded steps." if most > 1 else "."


def write_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure whole or not at all.

    Args:
        figure: The figure.
        path: Ends in .png, .pdf or .svg; an earlier file is replaced.

    Raises:
        ValueError: If the ending is another.
        OSError: If it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"a figure cannot be written as {path}: let its name end in {', '.join(FORMATS)}."
        )
    try:
        with whole_file(path) as unfinished:
            figure.savefig(unfinished, dpi=110, format=path.suffix.lower().removeprefix("."))
    except OSError as error:
        raise OSError(
            f"the figure {path} cannot be written ({error.strerror or error}): choose another path."
        ) from error
