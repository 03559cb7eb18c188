"""Pure tensor functions: no state, no randomness, no communication between ranks."""

from sslkit.functional.contrastive import mean_cosines, nt_xent, nt_xent_per_anchor
from sslkit.functional.knn import knn_scores
from sslkit.functional.normalise import unit_rows

__all__ = ["knn_scores", "mean_cosines", "nt_xent", "nt_xent_per_anchor", "unit_rows"]
