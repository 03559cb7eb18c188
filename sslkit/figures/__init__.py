"""Pictures of runs: from recorded curves to matplotlib figures. No torch, no display."""

from sslkit.figures.curve_file import CurveFile, Curves, read_curves
from sslkit.figures.drawing import write_figure
from sslkit.figures.oracle_figure import oracle_figure
from sslkit.figures.score_figure import score_figure

__all__ = [
    "CurveFile",
    "Curves",
    "oracle_figure",
    "read_curves",
    "score_figure",
    "write_figure",
]
