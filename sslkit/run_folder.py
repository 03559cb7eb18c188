"""Where a run writes, how the next run finds its checkpoint, and metrics that survive a resume.

A run lives in ``runs/<recipe>/version_N/``: ``config.yaml``, ``metrics.csv``,
``checkpoints/last.ckpt``, ``evaluation.json`` and ``.txt``. A new run takes the next N; a resumed
run goes on in the folder of its checkpoint.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

_METRICS = "metrics.csv"
_EARLIER = "metrics.before-resume.csv"


@dataclass(frozen=True)
class RunFolder:
    """A root, the version in it (None: the next free one), and the checkpoint to resume from.

    Attributes:
        root: Folder of all runs of one recipe.
        version: Name of the run's folder below ``root``; None lets the logger choose.
        checkpoint: What to resume from, or None.
    """

    root: Path
    version: str | None = None
    checkpoint: Path | None = None

    @classmethod
    def choose(cls, root: Path, ckpt_path: str | None) -> "RunFolder":
        """Decide where to write.

        Args:
            root: Folder of all runs of one recipe.
            ckpt_path: None, ``last`` (the newest run's last checkpoint under ``root``), or a file.

        Raises:
            FileNotFoundError: If there is nothing to resume from.
            PermissionError: If the folder cannot be written.
        """
        _require_writable(root)
        if ckpt_path is None:
            return cls(root)
        if ckpt_path == "last":
            found = sorted(
                root.glob("version_*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime
            )
            if not found:
                raise FileNotFoundError(
                    f"ckpt_path: there is no last checkpoint to resume from under {root}. Start "
                    "without ckpt_path, name the checkpoint's file, or set "
                    "trainer.default_root_dir to the folder of the run."
                )
            checkpoint = found[-1]
        else:
            checkpoint = Path(ckpt_path)
            if not checkpoint.is_file():
                raise FileNotFoundError(f"ckpt_path: there is no file {checkpoint}.")
        run = run_of(checkpoint.resolve())
        inside = run.parent == root.resolve()
        return cls(root, run.name if inside else None, checkpoint)

    def logger(self) -> CSVLogger:
        """The CSV logger that names the run's folder; earlier metrics are moved aside first."""
        if self.version is not None:
            metrics = self.root / self.version / _METRICS
            if metrics.is_file() and _is_first_process():
                metrics.replace(metrics.with_name(_EARLIER))
        return CSVLogger(save_dir=str(self.root), name="", version=self.version)


class KeepEarlierMetrics(pl.Callback):
    """Puts a resumed run's earlier metrics back into its ``metrics.csv``, up to the checkpoint.

    Rows that the killed run logged after its last checkpoint are dropped: the resumed run logs
    these steps again.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replay the rows through the logger, then remove the copy."""
        if not isinstance(trainer.logger, CSVLogger) or not trainer.is_global_zero:
            return
        earlier = Path(trainer.logger.log_dir) / _EARLIER
        if not earlier.is_file():
            return
        with earlier.open(newline="") as file:
            for row in csv.DictReader(file):
                step = int(row.pop("step"))
                if step < trainer.global_step:
                    values: dict[str, torch.Tensor | float] = {
                        key: float(value) for key, value in row.items() if value
                    }
                    trainer.logger.log_metrics(values, step)
        trainer.logger.save()
        earlier.unlink()


class LogShortEpochs(pl.Callback):
    """Logs at least once an epoch, also when it is shorter than ``log_every_n_steps``."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lower the interval to the length of an epoch."""
        # A public setting of the trainer that its type does not declare.
        every = getattr(trainer, "log_every_n_steps", 0)
        if trainer.num_training_batches < every:
            trainer.log_every_n_steps = trainer.num_training_batches  # pyright: ignore[reportAttributeAccessIssue]


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that wrote a checkpoint: the one with ``checkpoints/`` in it."""
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


def _is_first_process() -> bool:
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "RANK", "SLURM_PROCID"))


def _require_writable(root: Path) -> None:
    folder = root
    while not folder.exists():
        folder = folder.parent
    # A probe, not os.access: that one says yes to root on a read-only file system.
    probe = folder / f".sslkit-{os.getpid()}"
    try:
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PermissionError(
            f"the output folder {root} cannot be written ({error.strerror or error}): set "
            "trainer.default_root_dir to a folder of your own."
        ) from error
