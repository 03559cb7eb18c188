"""The figures that describe a set of features, together: what callbacks log and reports write.

N images, F feature width.
"""

import torch
from torch import Tensor

from sslkit.functional.hypersphere import alignment, uniformity
from sslkit.functional.normalise import unit_rows
from sslkit.functional.spectrum import dimension_std, effective_rank, rankme, sparsity


@torch.no_grad()
def representation_figures(z: Tensor, partner: Tensor | None = None) -> dict[str, Tensor]:
    """Describe features without labels.

    Time is O(N² F) for the uniformity: of many images, give a sample.

    Args:
        z: ``(N, F)`` raw features, N ≥ 2.
        partner: ``(N, F)`` raw features of another view of the same images.

    Returns:
        Scalars: ``alignment`` (only with a partner), ``uniformity``, ``rankme``,
        ``effective_rank``, ``sparsity`` as the functions of these names, and ``std``: the mean over
        dimensions of the standard deviation of unit rows times √F, which is 1 where rows point in
        all directions alike and 0 where they point in one (Chen and He 2021, figure 2).

    Raises:
        ValueError: See those functions.
    """
    figures = {} if partner is None else {"alignment": alignment(z, partner)}
    return figures | {
        "uniformity": uniformity(z),
        "rankme": rankme(z),
        "effective_rank": effective_rank(z),
        "std": dimension_std(unit_rows(z)).mean() * z.shape[1] ** 0.5,
        "sparsity": sparsity(z),
    }
