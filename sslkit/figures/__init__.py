"""Pictures of runs: from recorded curves to matplotlib figures. No torch, no display."""

from sslkit.figures.confusion_figure import confusion_figure
from sslkit.figures.curve_file import CurveFile, Curves, read_curves
from sslkit.figures.drawing import write_figure
from sslkit.figures.map_figure import map_figure
from sslkit.figures.oracle_figure import oracle_figure
from sslkit.figures.retrieval_figure import retrieval_figure
from sslkit.figures.scatter_figure import scatter_figure
from sslkit.figures.score_figure import score_figure
from sslkit.figures.spectrum_figure import spectrum_figure
from sslkit.figures.view_figure import view_figure

__all__ = [
    "CurveFile",
    "Curves",
    "confusion_figure",
    "map_figure",
    "oracle_figure",
    "read_curves",
    "retrieval_figure",
    "scatter_figure",
    "score_figure",
    "spectrum_figure",
    "view_figure",
    "write_figure",
]
