"""How a run is followed: a bar on a terminal, a line an epoch in a log file."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.utilities import rank_zero_info


class ProgressBar(RichProgressBar):
    """Lightning's bar without the number of the run's folder, which the folder's name has."""

    def __init__(self) -> None:
        super().__init__(leave=True)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands beside the bar."""
        metrics = dict(super().get_metrics(trainer, pl_module))
        metrics.pop("v_num", None)
        return metrics


class EpochLines(pl.Callback):
    """One line an epoch, for output that goes into a file."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started, self._first = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say the epoch, the time so far and to go, and what was measured."""
        done = trainer.current_epoch + 1
        seconds = time.monotonic() - self._started
        line = f"Epoch {done}, step {trainer.global_step}, {_duration(seconds)}"
        if trainer.max_epochs and trainer.max_epochs > 0:
            line = line.replace(f"Epoch {done}", f"Epoch {done}/{trainer.max_epochs}")
            left = seconds / (done - self._first) * (trainer.max_epochs - done)
            line += f" ({_duration(left)} to go)"
        shown = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name in ("train/loss", "val/top1", "offline_probe/val_linear") or "/val_top1" in name
        }
        values = "".join(f", {name} {value:.4g}" for name, value in sorted(shown.items()))
        rank_zero_info(line + values)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
