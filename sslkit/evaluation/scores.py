"""What an evaluation found for one encoder.

N images to fit, M to score, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sslkit.bootstrap import bootstrap_interval
from sslkit.evaluation.class_details import ClassDetails
from sslkit.evaluation.few_labels import FewLabels
from sslkit.evaluation.knn import KNNResult
from sslkit.evaluation.label_set_figures import LabelSetFigures
from sslkit.evaluation.linear import LinearResult
from sslkit.evaluation.metrics import OverSeeds
from sslkit.evaluation.representation import Representation
from sslkit.evaluation.sweep import SweepResult
from sslkit.predictions import Predictions


@dataclass(frozen=True)
class Scores:
    """How good one encoder's frozen features are; figures are shares, 0 to 1.

    Where images have several classes, figures are mean average precisions and not accuracies; where
    only those to score do, accuracies count any of an image's classes as right (ReaL).

    Attributes:
        encoder: Which encoder, in words.
        knn: For each k, up to ``n_train``, the figure of the weighted kNN vote.
        linear: What the logistic regression found; None where images have several classes, or it
            would take too long.
        n_train: Labelled training images.
        n_test: Labelled test images.
        num_classes: Classes among the training labels.
        feature_width: Of the encoder's output.
        left_out: The values of k that were asked for and are larger than ``n_train``.
        predictions: What each test image was taken for, by the name of the figure (``knn_20``,
            ``linear``), where it is kept; not compared.
        metric: ``top1``; ``in_set``, top-1 in the label set; or ``mAP``.
        votes: The grid of kNN votes, where there was one; this and what follows is not compared.
        sweep: The linear heads, where some were trained.
        few: What few labels gave, by the name of the figure.
        over_seeds: Mean and standard deviation of figures that were repeated with other seeds.
        details: What lies behind the predictions of a probe, by the name of its figure.
        label_sets: What there is beside mAP or top-1, where images to score have several classes.
        intervals: Of figures that are no means over ``predictions``.
        representation: What the features are like, told without labels.
        notes: What was left out and why, in sentences.
        n_empty: Images with an empty label set, which are not among the ``n_test``.
    """

    encoder: str
    knn: dict[int, float]
    linear: LinearResult | None
    n_train: int
    n_test: int
    num_classes: int
    feature_width: int
    left_out: tuple[int, ...] = ()
    predictions: Predictions | None = field(default=None, compare=False, repr=False)
    metric: Literal["top1", "mAP", "in_set"] = "top1"
    votes: KNNResult | None = field(default=None, compare=False, repr=False)
    sweep: SweepResult | None = field(default=None, compare=False, repr=False)
    few: Mapping[str, FewLabels] = field(default_factory=dict, compare=False, repr=False)
    over_seeds: Mapping[str, OverSeeds] = field(default_factory=dict, compare=False, repr=False)
    details: Mapping[str, ClassDetails] = field(default_factory=dict, compare=False, repr=False)
    label_sets: LabelSetFigures | None = field(default=None, compare=False, repr=False)
    intervals: Mapping[str, tuple[float, float]] = field(
        default_factory=dict, compare=False, repr=False
    )
    representation: Representation | None = field(default=None, compare=False, repr=False)
    notes: tuple[str, ...] = ()
    n_empty: int = 0

    def figures(self) -> dict[str, float]:
        """Every figure under the name that reports, protocols and predictions share.

        Of what was repeated with several seeds, that of the first seed.
        """
        found = {f"knn_{k}": accuracy for k, accuracy in self.knn.items()}
        if self.votes is not None:
            found["knn"] = self.votes.accuracy[self.votes.chosen]
        if self.linear is not None:
            found["linear"] = self.linear.accuracy
        if self.sweep is not None:
            found["sweep"] = self.sweep.figure
            found["sweep_best_epoch"] = self.sweep.best.figure
        if self.label_sets is not None:
            probe, others = self.label_sets.probe, self.label_sets.figures.items()
            found |= {f"{probe}_{name}": value for name, value in others if name != "mAP"}
        found |= {name: few.results[0].accuracy for name, few in self.few.items()}
        return found | {f"{name}_ece": own.calibration for name, own in self.details.items()}

    def all_intervals(self, *, seed: int) -> dict[str, tuple[float, float]]:
        """For each figure that has one, the ends of its bootstrap interval.

        Args:
            seed: Of the draws.
        """
        hits = {} if self.predictions is None else self.predictions.hits()
        return {
            **{name: bootstrap_interval(right, seed=seed) for name, right in hits.items()},
            **self.intervals,
        }
