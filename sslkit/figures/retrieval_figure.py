"""Images with their nearest neighbours in feature space, right and wrong ones framed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sslkit.figures.sheet import Tile, displayed, sheet

RIGHT, WRONG = "#0072B2", "#D55E00"  # told apart by the colour-blind


def retrieval_figure(
    queries: NDArray[np.uint8],
    neighbours: NDArray[np.uint8],
    *,
    query_labels: NDArray[np.int64],
    neighbour_labels: NDArray[np.int64],
    cosines: NDArray[np.floating],
    classes: Sequence[str] | None = None,
    note: str = "",
) -> Figure:
    """Draw a row for each query: the image, then its k neighbours, nearest first.

    Args:
        queries: ``(q, C, h, w)`` uint8.
        neighbours: ``(q, k, C, h', w')`` uint8.
        query_labels: ``(q,)``, −1 = unlabelled.
        neighbour_labels: ``(q, k)``. Where both have a label, the frame says whether they agree.
        cosines: ``(q, k)``, similarities with the query.
        classes: Names of the classes; None writes their numbers.
        note: How queries were chosen; a sentence that ends the note below the sheet.

    Returns:
        The sheet.
    """
    tiles: list[Tile] = []
    shown = displayed(queries)
    for row, label in enumerate(query_labels):
        tiles.append(Tile(shown[row], row, 0, _name(label, classes)))
        for column, image in enumerate(displayed(neighbours[row])):
            own = neighbour_labels[row, column]
            frame = None if min(label, own) < 0 else RIGHT if label == own else WRONG
            name = "" if frame == RIGHT else f" {_name(own, classes)}"
            caption = f"{cosines[row, column]:.3f}{name}"
            tiles.append(Tile(image, row, column + 1.25, caption, frame))
    agree, known = _agreement(query_labels, neighbour_labels)
    share = f" Of these neighbours {100 * agree[known].mean():.0f} % are of the query's class."
    text = (
        f"Left: the query. Then its nearest neighbours, with their cosine{_frames(agree, known)}. "
        f"{note}{share if known.any() else ''}"
    )
    return sheet(tiles, title="Nearest neighbours in feature space", note=text)


def _agreement(
    query_labels: NDArray[np.int64], neighbour_labels: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether labels are equal, and whether both are known; ``(q, k)`` each."""
    query = query_labels[:, None]
    return query == neighbour_labels, (query >= 0) & (neighbour_labels >= 0)


def _frames(agree: NDArray[np.bool_], known: NDArray[np.bool_]) -> str:
    """What the frames on the sheet mean, and no others."""
    right, wrong = (agree & known).any(), (~agree & known).any()
    said = ""
    if right:
        said = "; blue frame: the query's class"
    if wrong:
        said += ", orange: another, named" if right else "; orange frame: another class, named"
    return f"{said}; no frame: one of both has no label" if said and not known.all() else said


def _name(label: int, classes: Sequence[str] | None) -> str:
    if label < 0:
        return ""
    name = classes[label] if classes is not None and label < len(classes) else f"class {label}"
    return name if len(name) <= 16 else f"{name[:15]}…"
