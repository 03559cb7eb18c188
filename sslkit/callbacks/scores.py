"""How the scores of positives and negatives move, before and after the plug-ins.

After Zhu et al., "Improving Contrastive Learning by Visualizing Feature Transformation", 2021,
https://arxiv.org/abs/2108.02982.
"""

import math

from matplotlib.figure import Figure
from torch import Tensor

from sslkit.callbacks.pair_curves import PairCurves
from sslkit.callbacks.pair_sample import PairSample
from sslkit.callbacks.pair_statistics import score_statistics
from sslkit.figures import Curves, score_figure


class ScoreMonitor(PairCurves):
    """Mean and variance of the scores of positives and negatives, as curves over training.

    A score is the dot product of an anchor and another vector, before the temperature τ. Recorded
    are, as the source pairs them and under ``treated/`` as the plug-ins leave them (nothing where
    they changed nothing):

    - ``negative_mean``, ``negative_variance``: over an anchor's negatives, mean over anchors; the
      variance is unbiased;
    - ``negative_top<top>_mean``: of the hardest negatives of each anchor;
    - ``positive_mean``, ``positive_variance``: over anchors;
    - ``negative_exp_mean``, ``positive_exp_mean``: of exp(score / τ), with the weights that
      plug-ins gave.

    All go to ``scores.csv`` in the run's folder, a row a step, and when the loggers are due to them
    as ``scores/<name>``; ``scores.png`` is drawn when the fit ends. ``sslkit scores`` draws several
    runs together. The network is bit-identical with and without it.

    Args:
        top: How many of the hardest negatives of an anchor are averaged.
        anchors: How many anchors' negatives are looked at in a step, evenly spread over its batch;
            fewer where the bank is large or many mixes are made (2¹⁹ scores a step on average).
        every_n_steps: Look in every n-th optimiser step.

    Raises:
        ValueError: If an argument is below 1; in ``fit``, if the method compares no pairs.
    """

    name = "scores"

    def __init__(self, *, top: int = 10, anchors: int = 32, every_n_steps: int = 1) -> None:
        super().__init__(anchors=anchors, every_n_steps=every_n_steps)
        if top < 1:
            raise ValueError(f"ScoreMonitor needs top of at least 1, got {top}.")
        self.top = top
        self.columns = (
            "negative_mean",
            "negative_variance",
            f"negative_top{top}_mean",
            "negative_exp_mean",
            "positive_mean",
            "positive_variance",
            "positive_exp_mean",
        )

    def measure(self, sample: PairSample) -> Tensor:
        """(7,) the numbers, of the exponentials the logarithm."""
        return score_statistics(sample, self.top)

    def values(self, row: Tensor) -> list[float]:
        """Take the exponentials, which a float32 on the device may not hold at a small τ."""
        return [
            math.exp(min(value, 700.0)) if "exp" in name else value
            for name, value in zip(self.columns, row.tolist(), strict=True)
        ]

    def draw(self, run: Curves, name: str) -> Figure:
        """The curves of this run."""
        return score_figure({name: run})
