"""Images beside the views that are made of them, with what was drawn for each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sslkit.figures.drawing import colours
from sslkit.figures.sheet import Tile, displayed, sheet

_INCHES, _LETTERS = 1.9, 36  # of a tile, and of a line below it

# Left, top, width and height in pixels of the image.
Box = tuple[int, int, int, int]


def view_figure(
    images: NDArray[np.uint8],
    views: Sequence[NDArray[np.uint8]],
    *,
    drawn: Sequence[Sequence[Sequence[str]]],
    boxes: Sequence[Sequence[Box | None]],
    title: str,
) -> Figure:
    """Draw a row for each image: the image, then its views.

    Args:
        images: ``(n, C, H, W)`` uint8.
        views: Each ``(n, C, S_v, S_v)`` uint8.
        drawn: For each image and view, the operations that did something, in words.
        boxes: For each image and view, where the view was cut out, if that is known.
        title: Of the figure.

    Returns:
        The sheet. Of more than three channels the first three are shown.
    """
    tiles: list[Tile] = []
    height, width = images.shape[-2:]
    names = {0.0: f"image, {width} x {height}"}
    shown = [displayed(view) for view in views]
    palette = colours(len(views))
    for row, image in enumerate(displayed(images)):
        marks = [(*box, c) for box, c in zip(boxes[row], palette, strict=True) if box is not None]
        tiles.append(Tile(image, row, 0, marks=marks))
        for number, (view, words) in enumerate(zip(shown, drawn[row], strict=True)):
            caption = "\n".join(line for text in words for line in _lines(text))
            side = view.shape[1]  # a mark and no frame, whose colour would be the caption's too
            marks = [(0, 0, side, side, palette[number])]
            tiles.append(Tile(view[row], row, number + 1.15, caption, marks=marks))
    for number, view in enumerate(views):
        names[number + 1.15] = f"view {number + 1}, {view.shape[-1]} x {view.shape[-1]}"
    note = (
        "Left: the image, with the boxes that the views were cut from. Then the views before "
        "normalisation, with what was drawn for each, in the order in which it applies: the box as "
        "width x height at (left, top) in pixels of the image, factors of the colours, the turn of "
        "the hue, the width of the blur."
    )
    return sheet(tiles, title=title, note=note, column_names=names, inches=_INCHES)


def _lines(text: str) -> list[str]:
    """Wrapped at commas only, so that names stay with their numbers."""
    lines = [""]
    for part in text.split(", "):
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(longer) <= _LETTERS or not lines[-1]:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(part)
    return lines
