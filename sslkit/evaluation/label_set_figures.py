"""What probes find for images of several classes: mAP and its kin.

M scored images, K classes.
"""

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import pad

from sslkit.bootstrap import bootstrap_interval
from sslkit.evaluation.label_sets import (
    average_precision,
    by_label_count,
    mean_average_precision,
    real_hits,
    variable_top_k,
)
from sslkit.evaluation.metrics import bootstrap_figure
from sslkit.evaluation.sweep import SweepResult

RESAMPLES = 500
# Images with a class, from which on an interval of mAP is found.
_FEWEST = 20


class LabelSetFigures(NamedTuple):
    """Figures of scores ``(M, K)``.

    Attributes:
        figures: By what they are: ``mAP``, and ``in_set`` and ``variable_top_k`` of a linear probe.
        intervals: Of each, over the images; of mAP only where 20 images have a class.
        average_precision: ``(K,)``; NaN of a class that no image has.
        by_count: Of images with 1, 2, ... classes, the mean of ``variable_top_k`` and their number.
        probe: The figure whose scores they are: ``sweep`` or ``linear``.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    average_precision: Tensor
    by_count: dict[int, tuple[float, int]]
    probe: str = "sweep"


def map_figures(scores: Tensor, label_sets: Tensor, *, seed: int) -> LabelSetFigures:
    """The mAP of scores, with its interval.

    Args:
        scores: ``(M, K)`` finite.
        label_sets: ``(M, K)`` bool.
        seed: Of the bootstrap.

    Raises:
        ValueError: If every label set is empty.
    """
    found = {"mAP": mean_average_precision(scores, label_sets)}
    intervals: dict[str, tuple[float, float]] = {}
    # A draw of images that all have no class has no mAP.
    if int(label_sets.any(1).sum()) >= _FEWEST:
        intervals["mAP"] = bootstrap_figure(
            lambda rows: mean_average_precision(scores[rows], label_sets[rows]),
            len(scores),
            seed=seed,
            resamples=RESAMPLES,
        )
    return LabelSetFigures(found, intervals, average_precision(scores, label_sets), {})


def sweep_figures(result: SweepResult, label_sets: Tensor, *, seed: int) -> LabelSetFigures:
    """The mAP of the chosen linear head, and what its highest scores are worth.

    Args:
        result: Of `sslkit.evaluation.linear_sweep`.
        label_sets: ``(M, K)`` bool of the same images.
        seed: Of the bootstrap.
    """
    found = map_figures(result.logits, label_sets, seed=seed)
    hits, _ = real_hits(result.logits, label_sets)
    shares, rows = variable_top_k(result.logits, label_sets)
    more = {"in_set": hits.double(), "variable_top_k": shares}
    return found._replace(
        figures=found.figures | {name: float(each.mean()) for name, each in more.items()},
        intervals=found.intervals
        | {name: bootstrap_interval(each.numpy(), seed=seed) for name, each in more.items()},
        by_count=by_label_count(shares, label_sets[rows]),
    )


def real_figures(probe: str, scores: Tensor, label_sets: Tensor, *, seed: int) -> LabelSetFigures:
    """What the scores of a probe that learned one class an image are worth on label sets.

    Args:
        probe: ``linear`` or ``sweep``.
        scores: ``(M, C)`` finite, of the C classes that training images have, C at most K.
        label_sets: ``(M, K)`` bool, none of them empty.
        seed: Of the bootstrap.
    """
    missing = label_sets.shape[1] - scores.shape[1]
    lowest = float(scores.min()) - 1  # of classes without training images: below all others
    scores = pad(scores, (0, missing), value=lowest)
    shares, _ = variable_top_k(scores, label_sets)
    return LabelSetFigures(
        figures={"variable_top_k": float(shares.mean())},
        intervals={"variable_top_k": bootstrap_interval(shares.numpy(), seed=seed)},
        average_precision=average_precision(scores, label_sets),
        by_count=by_label_count(shares, label_sets),
        probe=probe,
    )
