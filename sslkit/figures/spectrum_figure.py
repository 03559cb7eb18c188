"""How features spread over directions: singular values on a logarithmic axis.

After Jing et al., "Understanding dimensional collapse in contrastive self-supervised learning",
2022, https://arxiv.org/abs/2110.09348, figure 2.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from sslkit.figures.drawing import colours, finish

# Below so much of the largest, a value computed in float32 is rounding.
_ROUNDING = 1e-6


def spectrum_figure(spectra: Mapping[str, np.ndarray]) -> Figure:
    """Draw the singular values of the features of one run or of several together.

    Each spectrum is divided by its largest value, so that features of different scale compare. What
    is below 1e-6 of it is rounding and left out: where a curve ends early, the features are
    confined to so many dimensions.

    Args:
        spectra: Singular values (K,) of each run under the name that the legend gives it.

    Returns:
        One panel; the legend says how many values are left out, where any are.

    Raises:
        ValueError: If there is no spectrum, or one is empty, negative, not finite or all zero.
    """
    if not spectra:
        raise ValueError("spectrum_figure needs the singular values of at least one run, got none.")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for (name, given), colour in zip(spectra.items(), colours(len(spectra)), strict=True):
        shares = _shares(name, np.asarray(given, dtype=np.float64))
        kept = shares[shares > _ROUNDING]
        label = (
            name
            if len(kept) == len(shares)
            else f"{name} ({len(kept)} of {len(shares)} directions)"
        )
        number = np.arange(1, len(kept) + 1)
        dots = "o" if len(kept) < 3 else None
        axes.plot(number, kept, color=colour, linewidth=1.8, label=label, marker=dots, markersize=4)
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    finish(axes, "Singular values of the features", "", "share of the largest")
    axes.set_xlabel("number of the singular value, largest first", fontsize=9)
    axes.legend(loc="upper right", frameon=False, fontsize=9)  # no curve ends there: all fall
    return figure


def _shares(name: str, values: np.ndarray) -> np.ndarray:
    """Values (K,) in descending order over the largest."""
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(
            f"the singular values of {name} must be (K,) finite numbers of at least 0, K ≥ 1, got "
            f"shape {values.shape}: compute them with sslkit.functional.singular_values."
        )
    if values.max() == 0:
        raise ValueError(
            f"there is nothing to draw of {name}: all singular values are 0, so all its features "
            "are."
        )
    return np.sort(values)[::-1] / values.max()
