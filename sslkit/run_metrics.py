"""Metrics of a run in one CSV file, also when the run is resumed."""

import csv
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from sslkit.whole_file import whole_file

_FILE = "metrics.csv"


class RunLogger(CSVLogger):
    """A CSV logger that keeps the rows of a run that it goes on with."""

    _opened = False

    @property
    def experiment(self) -> Any:
        """Lightning's writer, which starts by deleting the file: its rows are put back at once."""
        if self._opened or getattr(rank_zero_only, "rank", 0) != 0:  # Lightning sets the rank
            return super().experiment
        rows = self._rows()
        self._opened = True
        writer = super().experiment
        for row in rows:
            writer.log_metrics(row, row["step"])
        writer.save()
        return writer

    def drop_from(self, step: int) -> None:
        """Forget the rows from an optimiser step on.

        Args:
            step: The step at which training goes on; it and those after it are logged again.
        """
        self.save()
        path = Path(self.log_dir) / _FILE
        rows = [row for row in self._rows() if row["step"] < step]
        if not path.is_file():
            return
        with path.open(newline="") as file:
            header = next(csv.reader(file))
        with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=header)
            writer.writeheader()
            writer.writerows(rows)

    def _rows(self) -> list[dict[str, Any]]:
        path = Path(self.log_dir) / _FILE
        if not path.is_file():
            return []
        with path.open(newline="") as file:
            # Values stay the text that they are: read and written again, they must not change.
            found = [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]
        return [row | {"step": int(row["step"])} for row in found if "step" in row]


class KeepMetricsWhole(pl.Callback):
    """Every step is in the run's metrics once, and an epoch is there however short it is."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop what a killed run logged after its checkpoint; log at least once an epoch."""
        if isinstance(trainer.logger, RunLogger) and trainer.is_global_zero:
            trainer.logger.drop_from(trainer.global_step)
        # A public setting of the trainer that its type does not declare.
        every = getattr(trainer, "log_every_n_steps", 0)
        if trainer.num_training_batches < every:
            trainer.log_every_n_steps = trainer.num_training_batches  # pyright: ignore[reportAttributeAccessIssue]
