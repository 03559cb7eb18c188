"""What a run has cost, in a file beside its metrics, also when the run is resumed."""

import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from sslkit.counted import counted
from sslkit.whole_file import whole_file

FILE = "costs.json"
SCHEMA = 1


class RunCosts(pl.Callback):
    """Writes ``costs.json`` into the run's folder at the end of every epoch.

    It holds ``seconds`` (training with its validation, as the clock on the wall went), ``steps`` of
    the optimiser, ``images`` over all ranks, ``ranks`` and ``device``. A run that goes on in its
    folder adds to what is there: what a killed run did after its last checkpoint has been spent.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask for it
        self._path = folder / FILE
        self._before = _recorded(self._path) if trainer.global_step else {}
        self._started, self._first = time.monotonic(), trainer.global_step
        self._images = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the images."""
        index = getattr(batch, "index", None)
        self._images += 0 if index is None else len(index)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the sums so far, whole or not at all."""
        if not trainer.is_global_zero:
            return
        spent = {
            "seconds": time.monotonic() - self._started,
            "steps": trainer.global_step - self._first,
            "images": self._images * trainer.world_size,
        }
        sums = {key: round(value + self._before.get(key, 0), 3) for key, value in spent.items()}
        costs = {"version": SCHEMA, **sums, "ranks": trainer.world_size}
        costs["device"] = _device(pl_module.device)
        with whole_file(self._path) as unfinished:
            unfinished.write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")


def _recorded(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"seconds": float(found["seconds"])} | {
            key: int(found[key]) for key in ("steps", "images")
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # a run of before there was such a file


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = counted(torch.get_num_threads(), "thread")
    return f"{device.type}, {threads}" if device.type == "cpu" else str(device)
