"""Curves over training of numbers about the pairs that a contrastive loss compares."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from sslkit.callbacks.pair_sample import PairSample, sample_pairs
from sslkit.callbacks.picture_logging import log_picture
from sslkit.figures import CurveFile, Curves, read_curves, write_figure
from sslkit.negatives.pairs import Pairs

TREATED = "treated/"
# Scores of negatives that are looked at in a step, averaged over steps. 16,384 rows in a bank allow
# 32 anchors; what a few anchors see of a larger one says as much.
_SCORES = 2**19
# Making a mix takes as long as about so many scores: its two rows are gathered.
_SCORES_OF_A_MIX = 64


class PairCurves(pl.Callback, ABC):
    """Records a few numbers about a few anchors of a step: to the loggers, a file and a picture.

    It draws nothing from any random generator, and numbers wait on the device until the trainer's
    loggers are due. What a run that goes on has recorded after its checkpoint is recorded again.
    Only the first rank records, of its own anchors.

    Attributes:
        name: Of the file in the run's folder and of the group in the loggers.
        columns: Names of the numbers.

    Args:
        anchors: How many anchors of a step are looked at, evenly spread over its batch; fewer where
            the bank is large.
        every_n_steps: Look in every n-th optimiser step.

    Raises:
        ValueError: If an argument is below 1; in ``fit``, if the method compares no pairs.
    """

    name: ClassVar[str]
    columns: tuple[str, ...]

    def __init__(self, *, anchors: int, every_n_steps: int) -> None:
        for argument, value in (("anchors", anchors), ("every_n_steps", every_n_steps)):
            if value < 1:
                raise ValueError(
                    f"{type(self).__name__} needs {argument} of at least 1, got {value}."
                )
        self.anchors = anchors
        self.every_n_steps = every_n_steps
        self._off = False
        self._file: CurveFile | None = None  # of the first rank
        self._stop: Callable[[], None] | None = None
        self._step, self._logged = -1, -1
        self._seen: list[Tensor] = []  # of this step
        self._waiting: list[tuple[int, float, Tensor]] = []  # step, epoch, (2C,) on the device

    @abstractmethod
    def measure(self, sample: PairSample) -> Tensor:
        """The numbers.

        Args:
            sample: Of n anchors.

        Returns:
            (C,) in the order of ``columns``, on the sample's device; NaN where there is none.
        """

    @abstractmethod
    def draw(self, run: Curves, name: str) -> Figure:
        """The picture of a run's curves.

        Args:
            run: Its columns.
            name: What the picture calls the run.
        """

    def comparable(self, before: Pairs, after: Pairs) -> bool:
        """Whether the numbers say something of what the plug-ins left."""
        return after is not before

    def values(self, row: Tensor) -> list[float]:
        """The numbers to record, from a row (C,) on the host."""
        return row.tolist()

    # --- training -----------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse a method without pairs before anything is trained."""
        if stage != "fit":
            return
        objective = getattr(pl_module, "objective", None)
        if not hasattr(objective, "watch"):
            what = type(pl_module if objective is None else objective).__name__
            raise ValueError(
                f"{type(self).__name__} watches the positives and negatives of a contrastive "
                f"objective, and {what} compares none (or shows none): remove it from the "
                "callbacks, or train SimCLR, DCL, MoCo, NNCLR or another method with negatives."
            )
        self._unwatch()  # if an earlier fit was cut short
        self._off, self._file = False, None
        self._step, self._seen, self._waiting = -1, [], []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on after the last step that will not be trained again."""
        self._logged = trainer.global_step
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask for it
        if trainer.is_global_zero:
            columns = (*self.columns, *(f"{TREATED}{name}" for name in self.columns))
            self._file = CurveFile(folder / f"{self.name}.csv", columns)
            self._file.begin(trainer.global_step)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Watch the first batch of an optimiser step that is due."""
        step = trainer.global_step
        if self._off or step % self.every_n_steps or step == self._step:
            return
        self._step = step
        objective: Any = pl_module.objective
        # On every rank: where it is watched, an objective may gather what it does not otherwise.
        self._stop = objective.watch(self._see)

    @torch.no_grad()
    def _see(self, before: Pairs, after: Pairs) -> None:
        if self._file is None or self._off:
            return
        # As many before as after, of the same anchors: their difference is the plug-ins'.
        afford = _SCORES * self.every_n_steps // _cost(before, after)
        sample = sample_pairs(before, max(1, min(self.anchors, afford)))
        numbers = self.measure(sample)
        treated = torch.full_like(numbers, torch.nan)
        if self.comparable(before, after):
            treated = self.measure(sample_pairs(after, len(sample.few.query), like=sample))
        self._seen.append(torch.cat([numbers, treated]))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep what was seen; record and log it when the loggers are due."""
        self._unwatch()
        if self._seen:
            # Some objectives compare pairs once a direction.
            row = self._seen[0] if len(self._seen) == 1 else torch.stack(self._seen).mean(0)
            self._waiting.append((self._step, _epoch(trainer, batch_idx), row))
            self._seen = []
        every = getattr(trainer, "log_every_n_steps", 0)  # public, but its type does not declare it
        stepped = trainer.global_step > self._logged  # not so between accumulated batches
        if stepped and every and trainer.global_step % every == 0:
            self._logged = trainer.global_step
            self._log(pl_module, self._record())

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """What is before a checkpoint is in the file before the checkpoint is."""
        self._record()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the rest and draw."""
        self._record()
        if self._file is None:
            return
        if self._file.path.is_file():
            run = read_curves(self._file.path)
            values = [column for name, column in run.items() if name not in ("step", "epoch")]
            if not any(np.isfinite(column).any() for column in values):
                rank_zero_info(f"{self._file.path} has no value to draw: every step was blank.")
                return
            name = str(Path(*self._file.path.parent.resolve().parts[-2:]))  # moco/version_0
            picture = self._file.path.with_suffix(".png")
            write_figure(self.draw(run, name), picture)
            step = trainer.global_step
            log_picture(trainer.loggers, f"pictures/{self.name}", picture, step=step)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the objective unwatched."""
        self._unwatch()

    # --- records ------------------------------------------------------------------------------

    def _unwatch(self) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None

    def _record(self) -> dict[str, float]:
        """Fetch what waits and write it; returns the last row's numbers, those that there are."""
        if self._file is None or not self._waiting:
            return {}
        fetched = torch.stack([row for *_, row in self._waiting]).float().cpu()
        width = len(self.columns)
        rows = [
            [step, epoch, *self.values(numbers[:width]), *self.values(numbers[width:])]
            for (step, epoch, _), numbers in zip(self._waiting, fetched, strict=True)
        ]
        self._waiting = []
        self._file.append(rows)
        last = dict(zip(self._file.columns[2:], rows[-1][2:], strict=True))
        return {name: value for name, value in last.items() if math.isfinite(value)}

    def _log(self, pl_module: pl.LightningModule, values: dict[str, float]) -> None:
        for name, value in values.items():
            pl_module.log(
                f"{self.name}/{name}",
                torch.tensor(value),  # on the host: a number would be copied to the device
                on_step=True,
                on_epoch=False,
                batch_size=1,
                rank_zero_only=True,
            )


def _cost(before: Pairs, after: Pairs) -> int:
    """Of an anchor, in scores."""
    cost = max(len(before.bank), len(after.bank), 1)
    if after.mixes is not None:
        made = after.mixes.pair.shape[2] + after.mixes.query_index.shape[1]
        cost += _SCORES_OF_A_MIX * made
    return cost


def _epoch(trainer: pl.Trainer, batch_idx: int) -> float:
    """How many epochs have been seen; NaN where nothing tells an epoch's length."""
    batches = trainer.num_training_batches
    return trainer.current_epoch + batch_idx / batches if math.isfinite(batches) else math.nan
