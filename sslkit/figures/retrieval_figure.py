"""Images with their nearest neighbours in feature space, right and wrong ones framed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sslkit.figures.sheet import Tile, displayed, sheet

_LETTERS = 16  # of a caption's names
RIGHT, WRONG = "#0072B2", "#D55E00"  # told apart by the colour-blind


def retrieval_figure(
    queries: NDArray[np.uint8],
    neighbours: NDArray[np.uint8],
    *,
    query_labels: NDArray[np.int64] | NDArray[np.bool_],
    neighbour_labels: NDArray[np.int64] | NDArray[np.bool_],
    cosines: NDArray[np.floating],
    classes: Sequence[str] | None = None,
    note: str = "",
) -> Figure:
    """Draw a row for each query: the image, then its k neighbours, nearest first.

    Args:
        queries: ``(q, C, h, w)`` uint8.
        neighbours: ``(q, k, C, h', w')`` uint8.
        query_labels: ``(q,)``, −1 = unlabelled; or ``(q, K)`` bool, several classes an image.
        neighbour_labels: ``(q, k)``, or ``(q, k, K)``. Where both have a label, the frame says
            whether they agree; of several, whether they share one.
        cosines: ``(q, k)``, similarities with the query.
        classes: Names of the classes; None writes their numbers.
        note: How queries were chosen; a sentence that ends the note below the sheet.

    Returns:
        The sheet.
    """
    tiles: list[Tile] = []
    shown = displayed(queries)
    several = query_labels.ndim == 2
    known, right = _agreement(query_labels, neighbour_labels)
    for row, label in enumerate(query_labels):
        tiles.append(Tile(shown[row], row, 0, _name(label, classes)))
        for column, image in enumerate(displayed(neighbours[row])):
            frame = None
            if known[row, column]:
                frame = RIGHT if right[row, column] else WRONG
            name = "" if frame == RIGHT else f" {_name(neighbour_labels[row, column], classes)}"
            caption = f"{cosines[row, column]:.3f}{name}"
            tiles.append(Tile(image, row, column + 1.25, caption, frame))
    share = ""
    if known.any():
        what = "share a class with the query" if several else "are of the query's class"
        share = f" Of these neighbours {100 * right[known].mean():.0f} % {what}."
    text = (
        "Left: the query. Then its nearest neighbours, with their "
        f"cosine{_frames(known, right, several)}. {note}{share}"
    )
    return sheet(tiles, title="Nearest neighbours in feature space", note=text)


def _agreement(
    own: NDArray[Any], others: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``(q, k)`` whether both have a label, and whether these agree."""
    if own.ndim == 1:
        return (own[:, None] >= 0) & (others >= 0), own[:, None] == others
    known = np.any(own, axis=1)[:, None] & np.any(others, axis=2)
    return known, np.any(own[:, None] & others, axis=2)


def _frames(known: NDArray[np.bool_], right: NDArray[np.bool_], several: bool) -> str:
    """What the frames on the sheet mean, and no others."""
    blue, orange = (known & right).any(), (known & ~right).any()
    agrees = "it shares a class" if several else "the query's class"
    other = "none" if several else "another"
    said = f"; blue frame: {agrees}" if blue else ""
    if orange:
        alone = "it shares no class" if several else "another class"
        said += f", orange: {other}, named" if blue else f"; orange frame: {alone}, named"
    return f"{said}; no frame: one of both has no label" if said and not known.all() else said


def _name(label: Any, classes: Sequence[str] | None) -> str:
    """The name of a class; of several the first, and how many more there are.

    Args:
        label: A number, −1 = unlabelled; or ``(K,)`` bool.
        classes: The names.
    """
    several = isinstance(label, np.ndarray)
    labels = np.flatnonzero(label).tolist() if several else [int(label)] if label >= 0 else []
    names = [
        classes[one] if classes is not None and one < len(classes) else f"class {one}"
        for one in labels
    ]
    if len(", ".join(names)) <= _LETTERS:
        return ", ".join(names)
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    room = _LETTERS - len(more)
    return (names[0] if len(names[0]) <= room else f"{names[0][: room - 1]}…") + more
