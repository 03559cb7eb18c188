"""Feature maps as colours, beside the images that they are of."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sslkit.figures.sheet import Tile, displayed, sheet


def map_figure(
    images: NDArray[np.uint8], maps: Sequence[NDArray[np.floating]], *, names: Sequence[str]
) -> Figure:
    """Draw the images in a row and, below each, its maps from shallow to deep.

    Args:
        images: ``(n, C, h, w)`` uint8.
        maps: Each ``(n, h_l, w_l, 3)``, colours from 0 to 1.
        names: What each of the maps is.

    Returns:
        The sheet.
    """
    tiles = [Tile(image, 0, column) for column, image in enumerate(displayed(images))]
    for row, level in enumerate(maps, start=1):
        tiles += [Tile(colours, row, column) for column, colours in enumerate(level)]
    note = (
        "Red, green and blue are the first three principal components of the features of all "
        "places of these images, fitted for each map on its own. Places of like colour have like "
        "features; colours of two rows are not comparable. Maps go from shallow, above, to deep."
    )
    title = "What the encoder tells apart within an image"
    return sheet(tiles, title=title, note=note, row_names=["image", *names])
