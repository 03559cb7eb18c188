"""How good frozen features are: extraction, probes, figures of predictions, report."""

from sslkit.bootstrap import bootstrap_interval, paired_bootstrap
from sslkit.data.subsets import k_shot, label_fraction
from sslkit.evaluation.feature_cache import cached_features
from sslkit.evaluation.features import Features, extract_features
from sslkit.evaluation.heads import Head
from sslkit.evaluation.knn import KNNResult, Vote, knn_grid
from sslkit.evaluation.label_sets import (
    average_precision,
    by_label_count,
    mean_average_precision,
    real_hits,
    variable_top_k,
)
from sslkit.evaluation.linear import LinearResult, linear_probe
from sslkit.evaluation.metrics import (
    OverSeeds,
    bootstrap_figure,
    calibration_error,
    confusion_matrix,
    over_seeds,
    per_class_accuracy,
    top1_hits,
)
from sslkit.evaluation.pictures import write_pictures
from sslkit.evaluation.plan import FULL, QUICK, Plan
from sslkit.evaluation.protocol import (
    evaluate_encoder,
    evaluate_features,
)
from sslkit.evaluation.protocol_text import describe_protocol
from sslkit.evaluation.report import Report
from sslkit.evaluation.schema import report_schema
from sslkit.evaluation.scores import Scores
from sslkit.evaluation.sweep import BestEpoch, SweepResult, linear_sweep

__all__ = [
    "FULL",
    "QUICK",
    "BestEpoch",
    "Features",
    "Head",
    "KNNResult",
    "LinearResult",
    "OverSeeds",
    "Plan",
    "Report",
    "Scores",
    "SweepResult",
    "Vote",
    "average_precision",
    "bootstrap_figure",
    "bootstrap_interval",
    "by_label_count",
    "cached_features",
    "calibration_error",
    "confusion_matrix",
    "describe_protocol",
    "evaluate_encoder",
    "evaluate_features",
    "extract_features",
    "k_shot",
    "knn_grid",
    "label_fraction",
    "linear_probe",
    "linear_sweep",
    "mean_average_precision",
    "over_seeds",
    "paired_bootstrap",
    "per_class_accuracy",
    "real_hits",
    "report_schema",
    "top1_hits",
    "variable_top_k",
    "write_pictures",
]
