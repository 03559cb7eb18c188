"""Where a run writes, and how the next run finds its checkpoint.

A run lives in ``runs/<recipe>/version_N/``: ``config.yaml``, ``metrics.csv``, ``costs.json``,
``checkpoints/last.ckpt``, ``evaluation.json`` and ``.txt``, ``predictions.npz``. A new run takes
the next N; a resumed run goes on in the folder of its checkpoint.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from sslkit.run_metrics import RunLogger
from sslkit.whole_file import whole_file


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
            ckpt_path: None, ``last`` (the newest checkpoint of the runs under ``root``), or a file.

        Raises:
            FileNotFoundError: If there is nothing to resume from.
            PermissionError: If the folder cannot be written.
        """
        _require_writable(root)
        if ckpt_path is None:
            return cls(root)
        if ckpt_path == "last":
            places = ("version_*/checkpoints/*.ckpt", "checkpoints/*.ckpt")
            found = [path for place in places for path in root.glob(place) if path.is_file()]
            if not found:
                raise FileNotFoundError(
                    f"ckpt_path: there is no checkpoint to resume from under {root}. Start without "
                    "ckpt_path, name the checkpoint's file, or set trainer.default_root_dir to the "
                    "folder above the run's."
                )
            checkpoint = max(found, key=lambda path: path.stat().st_mtime)
        else:
            checkpoint = Path(ckpt_path)
            if not checkpoint.is_file():
                raise FileNotFoundError(f"ckpt_path: there is no file {checkpoint}.")
        run = run_of(checkpoint.resolve())
        inside = run.parent == root.resolve()
        return cls(root, run.name if inside else None, checkpoint)

    def logger(self) -> RunLogger:
        """The CSV logger that names the run's folder."""
        return RunLogger(save_dir=str(self.root), name="", version=self.version)


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` at the end of every epoch, beside whatever else is saved.

    A class of its own, so that its state in a checkpoint is not taken for that of another
    `ModelCheckpoint`.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that there is never half of one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write the file; an earlier one of the same name stays until the new one is whole."""
        with whole_file(Path(path)) as unfinished:
            torch.save(checkpoint, unfinished)


class WriteConfig(pl.Callback):
    """Writes the resolved config into the run's folder once training starts.

    Not before: a run that is refused must leave the config of the run that it meant to resume.

    Args:
        text: The config as YAML.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``config.yaml``."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask for it
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.yaml").write_text(self.text, encoding="utf-8")


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that wrote a checkpoint: the one with ``checkpoints/`` in it."""
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


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
