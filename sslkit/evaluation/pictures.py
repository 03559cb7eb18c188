"""Looking at an encoder: neighbours, t-SNE, feature maps, confusions and the spectrum as pictures.

N images of a split, F feature width, q queries, k neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits
from torch import Tensor

from sslkit.data.label_sets import as_sets, first_class
from sslkit.evaluation.features import Features, frozen
from sslkit.evaluation.map_colours import map_colours
from sslkit.evaluation.metrics import confusion_matrix
from sslkit.evaluation.scores import Scores
from sslkit.evaluation.shown import draw_balanced, images_at
from sslkit.figures import (
    confusion_figure,
    map_figure,
    retrieval_figure,
    scatter_figure,
    spectrum_figure,
    write_figure,
)
from sslkit.functional import singular_values
from sslkit.functional.normalise import unit_rows
from sslkit.nn import Encoder, feature_maps

QUERIES, NEIGHBOURS = 10, 8
MAPPED, LEVELS = 8, 3  # images with feature maps, and maps of each
TSNE_POINTS = 1500
_CHUNK = 65_536
# Probes whose confusions are drawn, the first that there is.
_PROBES = {"linear": "Logistic regression", "sweep": "Linear heads"}


def write_pictures(
    folder: Path | str,
    encoder: Encoder,
    *,
    train: tuple[Iterable[Any], Features],
    test: tuple[Iterable[Any], Features],
    scores: Scores,
    others: Mapping[str, Features] | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> list[Path]:
    """Write ``neighbours``, ``tsne``, ``feature_maps``, ``confusion`` and ``spectrum`` as ``.png``.

    What cannot be drawn is left out: feature maps of a backbone that has none, a t-SNE of fewer
    than four images, confusions where images have several classes. Neighbours that share one of
    these are then right, and the t-SNE is coloured by an image's first class.

    Args:
        folder: Made where it is missing; earlier pictures are replaced.
        encoder: Moved to ``device`` and left there; training flags are put back.
        train: A loader of the training images, in a fixed order, and their features.
        test: The same of the images that are scored.
        scores: Of these features; without predictions there is no confusion matrix.
        others: Features of the scored images from other encoders, for the spectrum.
        classes: Names of the classes.
        seed: Of the images that are shown and of the t-SNE.
        device: Where the encoder runs.

    Returns:
        The files.

    Raises:
        OSError: If they cannot be written.
    """
    shown = draw_balanced(test[1].labels, QUERIES, seed=seed)
    images = images_at(*test, shown)
    figures: dict[str, Figure] = {
        "neighbours": neighbour_sheet(train, test[1], shown, images, classes=classes)
    }
    if len(test[1].labels) >= 4:
        figures["tsne"] = tsne_figure(test[1], seed=seed, classes=classes)
    if hasattr(encoder.backbone, "forward_intermediates"):
        figures["feature_maps"] = map_sheet(encoder, images[:MAPPED], device=device)
    found = scores.predictions
    one = found is not None and found.label.ndim == 1
    probes = [p for p in _PROBES if p in found.predicted] if found is not None and one else []
    if found is not None and probes:
        taken = torch.from_numpy(found.predicted[probes[0]])
        label = torch.from_numpy(found.label)
        count = int(torch.cat([taken, label, train[1].labels]).max()) + 1
        counts = confusion_matrix(taken, label, num_classes=count).numpy()
        title = (
            f"{_PROBES[probes[0]]}, {scores.n_train:,} training images, {scores.encoder} encoder"
        )
        figures["confusion"] = confusion_figure(counts, classes=classes, title=title)
    spectra = {scores.encoder: test[1]} | dict(others or {})
    figures["spectrum"] = spectrum_figure(
        {name: singular_values(f.features).numpy() for name, f in spectra.items()}
    )
    paths = [Path(folder) / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        write_figure(figure, path)
    return paths


def neighbour_sheet(
    train: tuple[Iterable[Any], Features],
    test: Features,
    shown: Tensor,
    images: Tensor,
    *,
    classes: Sequence[str] | None = None,
    among_themselves: bool = False,
) -> Figure:
    """Draw the training images whose features are most similar to those of some images.

    Args:
        train: A loader of the images to search, and their features.
        test: Features of the N images that queries come from.
        shown: ``(q,)`` int64, the rows of the queries.
        images: ``(q, C, h, w)`` uint8, the queries.
        classes: Names of the classes.
        among_themselves: Whether the queries are of the images to search; no image is then its own
            neighbour.

    Returns:
        The sheet.
    """
    loader, bank = train
    queries = unit_rows(test.features[shown])
    # In parts: the features may be a memory-mapped file larger than the memory.
    parts = bank.features.split(_CHUNK)
    cosine = torch.cat([queries @ unit_rows(part).T for part in parts], dim=1)
    if among_themselves:
        cosine[torch.arange(len(shown)), shown] = -torch.inf
    count = min(NEIGHBOURS, cosine.shape[1] - among_themselves)
    values, found = cosine.topk(count, dim=1)
    rows, where = found.unique(return_inverse=True)
    own, theirs = _of_one_kind(test.labels[shown], bank.labels[found.flatten()])
    return retrieval_figure(
        images.numpy(),
        images_at(loader, bank, rows)[where].numpy(),
        query_labels=own.numpy(),
        neighbour_labels=theirs.unflatten(0, tuple(found.shape)).numpy(),
        cosines=values.numpy(),
        classes=classes,
        note=(
            "Queries are training images, drawn at random; neighbours are others of them."
            if among_themselves
            else "Queries are drawn at random, class after class; neighbours are training images."
        ),
    )


def _of_one_kind(labels: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Classes of both; or where one of them has label sets, sets of both."""
    widths = {part.shape[1] for part in (labels, others) if part.ndim == 2}
    return (as_sets(labels, *widths), as_sets(others, *widths)) if widths else (labels, others)


def map_sheet(
    encoder: Encoder, images: Tensor, *, device: torch.device | str = "cpu", levels: int = LEVELS
) -> Figure:
    """Draw feature maps as colours, see `sslkit.evaluation.map_colours`.

    Args:
        encoder: Moved to ``device`` and left there; training flags are put back.
        images: ``(n, C, h, w)`` uint8.
        device: Where the encoder runs.
        levels: How many maps of each image.

    Returns:
        The sheet.

    Raises:
        ValueError: If the backbone has no feature maps.
    """
    with frozen(encoder, device), torch.inference_mode():
        maps = feature_maps(encoder, encoder.preprocess(images.to(device)), levels=levels)
    names = [
        f"{number} of {len(maps)}: {x.shape[2]} x {x.shape[3]}"
        for number, x in enumerate(maps, start=1)
    ]
    return map_figure(images.numpy(), [map_colours(x).numpy() for x in maps], names=names)


def tsne_figure(
    features: Features,
    *,
    seed: int,
    classes: Sequence[str] | None = None,
    points: int = TSNE_POINTS,
) -> Figure:
    """Draw features in a plane where neighbours stay neighbours.

    Van der Maaten and Hinton, "Visualizing data using t-SNE", 2008, by scikit-learn: cosine
    distances, perplexity 30, started from the first two principal components.

    Args:
        features: Of N images, at least 4.
        seed: Of the images that are drawn and of the t-SNE.
        classes: Names of the classes.
        points: At most so many images, in equal parts of every class as far as there are.

    Returns:
        The figure.
    """
    rows = draw_balanced(features.labels, points, seed=seed)
    perplexity = min(30.0, (len(rows) - 1) / 3)
    chosen = unit_rows(features.features[rows]).numpy()
    start = _principal_plane(chosen)
    # One thread, as for the linear probe: on a busy machine, several wait for each other.
    with threadpool_limits(limits=1):
        tsne = TSNE(perplexity=perplexity, init=start, random_state=seed, n_jobs=1)  # pyright: ignore[reportArgumentType]
        placed = tsne.fit_transform(chosen)
    note = (
        f"{len(rows):,} images, perplexity {perplexity:.0f}, cosine distances, seed {seed}. "
        "Neighbourhoods mean something; the size of\nclusters and how far they are apart do not."
    )
    labels = first_class(features.labels[rows]).numpy()
    if features.labels.ndim == 2:
        note += "\nThe colour is that of an image's first class in the list; light grey: none."
    return scatter_figure(placed, labels, classes=classes, title="t-SNE of the features", note=note)


def _principal_plane(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n, 2)`` first two principal components, as small as t-SNE wants its start."""
    centred = torch.from_numpy(rows - rows.mean(0))
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    plane = torch.zeros(len(rows), 2)
    plane[:, : min(2, len(s))] = (u * s)[:, :2]
    return (1e-4 * plane / plane[:, 0].std().clamp_min(1e-12)).numpy()
