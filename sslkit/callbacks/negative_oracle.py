"""How many of the hardest negatives are images of the anchor's own class.

After Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", 2020, section 3,
https://arxiv.org/abs/2010.01028.
"""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from matplotlib.figure import Figure
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from sslkit.callbacks.pair_curves import PairCurves
from sslkit.callbacks.pair_sample import PairSample
from sslkit.callbacks.pair_statistics import own_class_shares
from sslkit.callbacks.step_output import read_step, why_unlabelled
from sslkit.figures import Curves, oracle_figure
from sslkit.negatives.pairs import Pairs


class NegativeOracle(PairCurves):
    """What share of the hardest negatives are of the anchor's class, as curves over training.

    The labels are an oracle's: training never sees them. Negatives without a label (−1, also rows
    of a queue that were never filled) and anchors without one do not count. Recorded are
    ``top<k>``, the share among an anchor's k hardest negatives, for each k, and ``all``, the base
    rate among all of its negatives; means over anchors. With plug-ins that choose among the
    negatives (masks, filters), ``treated/<name>`` is the share among those that are left.

    All go to ``negative_oracle.csv`` in the run's folder, a row a step, and when the loggers are
    due to them as ``negative_oracle/<name>``; ``negative_oracle.png`` is drawn when the fit ends.
    The network is bit-identical with and without it. Without labels the callback switches itself
    off and says so.

    Args:
        top: Numbers k of hardest negatives; a k of more than there are takes all.
        anchors: How many anchors of a step are looked at, evenly spread over its batch; fewer where
            the bank is large or many mixes are made (2¹⁹ scores a step on average).
        every_n_steps: Look in every n-th optimiser step.

    Raises:
        ValueError: If an argument is out of range; in ``fit``, if the method compares no pairs.
    """

    name = "negative_oracle"

    def __init__(
        self,
        *,
        top: Sequence[int] = (1, 10, 100, 1024),
        anchors: int = 128,
        every_n_steps: int = 10,
    ) -> None:
        super().__init__(anchors=anchors, every_n_steps=every_n_steps)
        if not top or min(top) < 1 or len(set(top)) < len(top):
            raise ValueError(
                f"NegativeOracle needs top to hold different numbers of at least 1, got {[*top]}."
            )
        self.top = sorted(top)
        self._checked = False
        self.columns = (*(f"top{k}" for k in self.top), "all")

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start anew for a fit."""
        super().setup(trainer, pl_module, stage)
        self._checked = False

    def measure(self, sample: PairSample) -> Tensor:
        """(len(top) + 1,) shares from 0 to 1."""
        return own_class_shares(sample, self.top)

    def comparable(self, before: Pairs, after: Pairs) -> bool:
        """Whether they chose among the same images; what is mixed from several has no class."""
        same = after.bank is before.bank and after.query is before.query
        return same and after.mask is not before.mask

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Switch off without labels; else keep what was seen."""
        if not self._checked and (step := read_step(outputs, "NegativeOracle")) is not None:
            self._checked = True
            reason = why_unlabelled(step[1])
            if reason is not None:
                self._off, self._seen = True, []
                rank_zero_info(f"NegativeOracle is off: {reason}.")
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def draw(self, run: Curves, name: str) -> Figure:
        """The curves of this run."""
        return oracle_figure(run, name)
