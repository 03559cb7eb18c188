"""How good frozen features are: extraction, kNN, linear probe, report."""

from sslkit.evaluation.features import Features, extract_features
from sslkit.evaluation.linear import LinearResult, linear_probe
from sslkit.evaluation.protocol import (
    Scores,
    describe_protocol,
    evaluate_encoder,
    evaluate_with_baseline,
)
from sslkit.evaluation.report import Report

__all__ = [
    "Features",
    "LinearResult",
    "Report",
    "Scores",
    "describe_protocol",
    "evaluate_encoder",
    "evaluate_with_baseline",
    "extract_features",
    "linear_probe",
]
