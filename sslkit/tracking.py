"""What trackers get of a run beside its metrics: config, evaluation table, files as artifacts.

Weights & Biases and TensorBoard; the run's own folder has all of it as files.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import wandb
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from sslkit.run_folder import LastCheckpoint
from sslkit.run_metrics import RunLogger

_EVALUATION = ("evaluation.json", "evaluation.txt", "predictions.npz")
_COLUMNS = ["encoder", "figure", "value", "low", "high", "protocol"]


def with_wandb(loggers: Sequence[Logger], root: Path, version: str) -> list[Logger]:
    """The loggers of a run, with Weights & Biases among them.

    Args:
        loggers: Those that there are; one that logs there already is enough.
        root: Folder of all runs of a recipe: the group, and where offline runs are kept.
        version: Name of the run's folder in it.
    """
    if any(isinstance(logger, WandbLogger) for logger in loggers):
        return [*loggers]
    root.mkdir(parents=True, exist_ok=True)
    # A run that goes on in its folder is another run there, in the same group: what a killed run
    # logged after its checkpoint cannot be taken back, and would stand there twice.
    name, group = f"{root.name}/{version}", root.name
    # Absolute: wandb's own process, once started, keeps to the folder that it was started in.
    folder = str(root.resolve())
    own = WandbLogger(project="sslkit", name=name, group=group, job_type="fit", save_dir=folder)
    return [*loggers, own]


class TrackConfig(pl.Callback):
    """Hands the resolved config to the trackers once training starts.

    Args:
        config: Plain values.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log it; the run's own logger has it as ``config.yaml``."""
        for logger in trainer.loggers:
            if not isinstance(logger, RunLogger):
                logger.log_hyperparams(self.config)


def track_results(trainer: pl.Trainer, run: Path) -> None:
    """Hand over what a finished run has left in its folder; only the first rank may ask.

    Weights & Biases gets the figures of the evaluation, their table with the protocol of each, and
    as artifacts the evaluation's files and the checkpoints: the last one, and the best ones where
    something was monitored (not where the logger's ``log_model`` does that). TensorBoard gets the
    figures and the table as text.

    Args:
        trainer: After ``fit``.
        run: The run's folder.
    """
    report = run / _EVALUATION[0]
    rows = _rows(json.loads(report.read_text(encoding="utf-8"))) if report.is_file() else []
    figures = {f"evaluation/{row[1]}": row[2] for row in rows if row[0] == rows[0][0]}
    for logger in trainer.loggers:
        if not isinstance(logger, WandbLogger | TensorBoardLogger):
            continue
        if figures:
            logger.log_metrics(figures, step=trainer.global_step)
        if isinstance(logger, TensorBoardLogger):
            if rows:
                text = _markdown(rows)
                logger.experiment.add_text("evaluation/table", text, trainer.global_step)
            logger.experiment.close()  # what is logged after the fit has a file of its own
            continue
        if rows:
            logger.log_table("evaluation/table", _COLUMNS, rows, step=trainer.global_step)
            files = [run / name for name in _EVALUATION if (run / name).is_file()]
            _log_files(logger, f"{logger.experiment.id}-evaluation", "evaluation", files)
        # Lightning's setting has no public name.
        if not getattr(logger, "_log_model", False):
            _log_checkpoints(logger, trainer, run)


def finish_tracking(trainer: pl.Trainer, *, exit_code: int = 0) -> None:
    """End the run at Weights & Biases, if one has begun.

    Args:
        trainer: Of the run.
        exit_code: 0 for a run that is complete.
    """
    if wandb.run is not None and any(isinstance(x, WandbLogger) for x in trainer.loggers):
        wandb.run.finish(exit_code=exit_code)


def _log_checkpoints(logger: WandbLogger, trainer: pl.Trainer, run: Path) -> None:
    config = run / "config.yaml"
    for callback in trainer.checkpoint_callbacks:
        path = Path(getattr(callback, "best_model_path", "") or "")
        if not path.is_file():
            continue
        last = isinstance(callback, LastCheckpoint)
        monitor = getattr(callback, "monitor", None)
        what = "last" if last else f"best-{monitor}" if monitor else path.stem
        files = [path, *([config] if config.is_file() else [])]
        about = {"monitor": monitor, "step": trainer.global_step} if last or monitor else {}
        _log_files(logger, f"{logger.experiment.id}-{what}", "model", files, about, [what])


def _log_files(
    logger: WandbLogger,
    name: str,
    kind: str,
    files: Sequence[Path],
    about: dict[str, Any] | None = None,
    aliases: Sequence[str] = (),
) -> None:
    # Of a name, wandb takes letters, digits, and three signs.
    tidy = [re.sub(r"[^\w.-]+", "-", text) for text in (name, *aliases)]
    artifact = wandb.Artifact(tidy[0], type=kind, metadata=about)
    for file in files:
        artifact.add_file(str(file))
    logger.experiment.log_artifact(artifact, aliases=["latest", *tidy[1:]])


def _rows(content: dict[str, Any]) -> list[list[Any]]:
    """A line for every encoder and figure, with the figure's interval and protocol."""
    protocol = content["protocol"]
    rows = []
    for row in content["rows"]:
        for figure, value in row.items():
            if figure in protocol and isinstance(value, int | float):
                low, high = row.get("intervals", {}).get(figure, (None, None))
                rows.append([row["encoder"], figure, value, low, high, protocol[figure]])
    return rows


def _markdown(rows: Sequence[Sequence[Any]]) -> str:
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
    cells = [["" if cell is None else _short(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _short(cell: Any) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell).replace("|", r"\|")
