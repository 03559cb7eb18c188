"""Pure tensor functions: no state, no randomness, no communication between ranks."""

from sslkit.functional.contrastive import mean_cosines, nt_xent, nt_xent_per_anchor
from sslkit.functional.cross_view import (
    cross_view_nce,
    cross_view_nce_per_anchor,
    nearest_neighbour_nce,
    nearest_neighbour_nce_per_anchor,
    nearest_rows,
)
from sslkit.functional.debiased import debiased_nce, debiased_nce_per_anchor
from sslkit.functional.decoupled import dcl, dcl_per_anchor, dclw, positive_weights
from sslkit.functional.dual_view import dual_view_nce_per_anchor, hard_queue_nce_per_anchor
from sslkit.functional.hypersphere import alignment, uniformity
from sslkit.functional.knn import knn_scores
from sslkit.functional.mixing import (
    extrapolate_positives,
    interpolate_negatives,
    mix_pairs,
    mix_queries,
)
from sslkit.functional.normalise import unit_rows
from sslkit.functional.queue_contrast import (
    queue_dcl_per_anchor,
    queue_nce,
    queue_nce_per_anchor,
)
from sslkit.functional.redundancy import barlow_twins
from sslkit.functional.regression import normalized_mse, normalized_mse_per_anchor
from sslkit.functional.representation import representation_figures
from sslkit.functional.self_labels import self_labelled_bce, self_labelled_mse
from sslkit.functional.spectrum import (
    dimension_std,
    effective_rank,
    rankme,
    singular_values,
    sparsity,
)
from sslkit.functional.whitening import w_mse, w_mse_per_image, whiten

__all__ = [
    "alignment",
    "barlow_twins",
    "cross_view_nce",
    "cross_view_nce_per_anchor",
    "dcl",
    "dcl_per_anchor",
    "dclw",
    "debiased_nce",
    "debiased_nce_per_anchor",
    "dimension_std",
    "dual_view_nce_per_anchor",
    "effective_rank",
    "extrapolate_positives",
    "hard_queue_nce_per_anchor",
    "interpolate_negatives",
    "knn_scores",
    "mean_cosines",
    "mix_pairs",
    "mix_queries",
    "nearest_neighbour_nce",
    "nearest_neighbour_nce_per_anchor",
    "nearest_rows",
    "normalized_mse",
    "normalized_mse_per_anchor",
    "nt_xent",
    "nt_xent_per_anchor",
    "positive_weights",
    "queue_dcl_per_anchor",
    "queue_nce",
    "queue_nce_per_anchor",
    "rankme",
    "representation_figures",
    "self_labelled_bce",
    "self_labelled_mse",
    "singular_values",
    "sparsity",
    "uniformity",
    "unit_rows",
    "w_mse",
    "w_mse_per_image",
    "whiten",
]
