"""Which classes are taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_WRITTEN = 25  # classes, up to which every cell has its number and every class its name
_LISTED = 20


def confusion_figure(
    counts: NDArray[np.integer], *, classes: Sequence[str] | None = None, title: str
) -> Figure:
    """Draw a confusion matrix, and of many classes the most frequent confusions as a list.

    Args:
        counts: ``(C, C)``; row: the class, column: what it was taken for.
        classes: Names of the classes; None writes their numbers.
        title: Of the figure.

    Returns:
        The matrix with shares of each row, in percent. Classes without an image are empty rows.

    Raises:
        ValueError: If the counts are not square.
    """
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"a confusion matrix is square, got shape {counts.shape}.")
    count = len(counts)
    names = list(classes or map(str, range(count)))[:count]
    total = counts.sum(1, keepdims=True)
    percent = 100 * counts / np.maximum(total, 1)
    written = count <= _WRITTEN
    side = max(4.5, 0.55 * count + 1.8) if written else 9
    figure = Figure(figsize=(side + (0.6 if written else 5), side), layout="constrained")
    ratios = [1] if written else [1, 0.4]
    axes, *beside = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    axes.set_title(title, fontsize=12, loc="left")
    axes.set(xlabel="taken for", ylabel="class")
    if written:
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        for row, column in np.argwhere(percent >= 0.5):
            value = percent[row, column]
            axes.text(
                column, row, f"{value:.0f}", ha="center", va="center", fontsize=9,
                color="white" if value > 55 else "0.15",
            )  # fmt: skip
    else:
        beside[0].set_axis_off()
        beside[0].text(0, 1, _list(counts, percent, names), fontsize=9, va="top")
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the class's images (%)")
    right = np.trace(counts) / max(counts.sum(), 1)
    note = f"{int(counts.sum()):,} images, {100 * right:.1f} % of them right (the diagonal)."
    figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color="0.35")
    return figure


def _list(counts: NDArray[np.integer], percent: NDArray[np.floating], names: list[str]) -> str:
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:_LISTED]
    lines = [
        f"{names[row]} for {names[column]}: {percent[row, column]:.0f} %"
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]
    return "\n".join(["Most frequent confusions", "(class, taken for):", "", *lines])
