"""Many small images in one picture: rows and columns of tiles with frames and captions."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

_GAP = 0.08  # between tiles; in tiles
# A line of a caption, and the room above the first and below the last one; in inches.
_LINE, _ABOVE, _BELOW = 0.125, 0.045, 0.06
_LETTERS = 13  # of a note, to the inch
_SMALL = 96  # pixels: the pixels of smaller images are shown as they are


@dataclass(frozen=True)
class Tile:
    """One image of a sheet.

    Attributes:
        image: ``(h, w)`` grey or ``(h, w, 3)``, uint8 or floats from 0 to 1.
        row: Where it lies, from 0.
        column: Where it lies, from 0; halves are possible.
        caption: Below it; of several lines if need be.
        frame: Colour of the frame, and of the caption; None: no frame, dark grey text.
        marks: Rectangles on it: left, top, width and height in pixels of the image, and colour.
    """

    image: NDArray[np.generic]
    row: int
    column: float
    caption: str = ""
    frame: str | None = None
    marks: Sequence[tuple[float, float, float, float, str]] = ()


def sheet(
    tiles: Sequence[Tile],
    *,
    title: str,
    note: str,
    row_names: Sequence[str] = (),
    column_names: Mapping[float, str] | None = None,
    inches: float = 1.15,
) -> Figure:
    """Draw tiles on a page that is as large as they need.

    Args:
        tiles: In any order, at least one.
        title: Above them.
        note: Below them; wrapped to the width of the page.
        row_names: At the left of the rows, turned; none leaves no room for them.
        column_names: Above the columns, by where these lie.
        inches: Side of a tile.

    Returns:
        The figure.

    Raises:
        ValueError: If there are no tiles.
    """
    if not tiles:
        raise ValueError("there is nothing to draw: no images were given.")
    columns = max(tile.column for tile in tiles) + 1
    sides, tops = _rows(tiles, inches)
    height = tops[-1]
    width = 1 + _GAP
    margin = 0.15 + 0.2 * bool(row_names)
    page = max(inches * width * columns, 6.5) + margin + 0.15
    note = textwrap.fill(note, int(_LETTERS * page))
    below = 0.25 + 0.15 * (note.count("\n") + 1)
    above = 0.45 + 0.2 * bool(column_names)
    size = page, inches * height + above + below
    figure = Figure(figsize=size)
    inner = (page - margin - 0.15) / page, inches * height / size[1]
    axes = figure.add_axes((margin / page, below / size[1], *inner))
    axes.set_axis_off()
    for tile in tiles:
        _draw(axes, tile, tile.column * width, tops[tile.row], sides[tile.row], inches)
    for row, name in enumerate(row_names):
        axes.text(
            -0.06, tops[row] + sides[row] / 2, name, rotation=90, ha="right", va="center",
            fontsize=8, color="0.25",
        )  # fmt: skip
    for column, name in (column_names or {}).items():
        axes.text(
            column * width + 0.5, -0.04, name, ha="center", va="bottom", fontsize=9, color="0.25"
        )
    axes.set(xlim=(-0.03, columns * width), ylim=(height, -0.03))
    axes.set_aspect("equal", adjustable="box", anchor="NW")
    figure.text(0.15 / size[0], 1 - 0.12 / size[1], title, fontsize=13, va="top")
    figure.text(0.15 / size[0], 0.1 / size[1], note, fontsize=9, color="0.35", va="bottom")
    return figure


def displayed(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images ``(n, C, h, w)`` as tiles take them: ``(n, h, w)`` of one channel, else its first 3.

    Of two channels the first is shown.
    """
    channels = images.shape[1]
    return images[:, 0] if channels < 3 else images[:, :3].transpose(0, 2, 3, 1)


def _rows(tiles: Sequence[Tile], inches: float) -> tuple[list[float], list[float]]:
    """Height of each row's images, and where each row begins and the last one ends; in tiles.

    A row is as high as its own images and captions need, so that none stands in white.
    """
    sides, tops = [], [0.0]
    for row in range(max(tile.row for tile in tiles) + 1):
        own = [tile for tile in tiles if tile.row == row]
        sides.append(max((_size(tile)[1] for tile in own), default=0.0))
        lines = max((tile.caption.count("\n") + 1 for tile in own if tile.caption), default=0)
        caption = (_ABOVE + _LINE * lines + _BELOW) / inches if lines else 0.0
        tops.append(tops[-1] + sides[-1] + _GAP + caption)
    return sides, tops


def _size(tile: Tile) -> tuple[float, float]:
    """Width and height of its image: the longer side is 1."""
    high, wide = tile.image.shape[:2]
    return wide / max(high, wide), high / max(high, wide)


def _draw(axes: Axes, tile: Tile, x: float, y: float, side: float, inches: float) -> None:
    high, wide = tile.image.shape[:2]
    # Not square: as large as fits, in the middle of the row.
    w, h = _size(tile)
    left, top = x + (1 - w) / 2, y + (side - h) / 2
    axes.imshow(
        tile.image,
        extent=(left, left + w, top + h, top),
        cmap="gray",
        vmin=0,
        vmax=255 if tile.image.dtype == np.uint8 else 1,
        interpolation="nearest" if max(high, wide) <= _SMALL else "antialiased",
    )
    if tile.frame is not None:
        axes.add_patch(
            Rectangle((left, top), w, h, fill=False, edgecolor=tile.frame, linewidth=2.5)
        )
    scale = w / wide
    for at_x, at_y, across, down, colour in tile.marks:
        corner = left + at_x * scale, top + at_y * scale
        axes.add_patch(
            Rectangle(
                corner, across * scale, down * scale, fill=False, edgecolor=colour, linewidth=1.8
            )
        )
    axes.text(
        x + 0.5, y + side + _ABOVE / inches, tile.caption, ha="center", va="top", fontsize=7.5,
        color=tile.frame or "0.25",
    )  # fmt: skip
