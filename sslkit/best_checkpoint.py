"""Which checkpoints of a run were the best by a figure of its training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslkit.nn import read_checkpoint


def best_checkpoints(last: Path) -> dict[str, Path]:
    """Checkpoints that a `ModelCheckpoint` with a ``monitor`` kept as its best.

    They are known from what the last checkpoint and the newest file beside it say of the run's
    callbacks: of those that save in one epoch, each knows only of what was saved before it.

    Args:
        last: The last checkpoint of a run.

    Returns:
        Under the name of the monitored figure, a file in the same folder (a checkpoint of a
        stranger's names no others) that is not ``last``.

    Raises:
        ValueError: If a checkpoint cannot be read.
    """
    others = [path for path in last.parent.glob("*.ckpt") if path != last]
    newest = sorted(others, key=lambda path: path.stat().st_mtime)[-1:]
    found: dict[str, str] = {}
    for path in sorted([last, *newest], key=lambda path: path.stat().st_mtime) if others else []:
        callbacks = read_checkpoint(path).get("callbacks")
        for state in callbacks.values() if isinstance(callbacks, Mapping) else ():
            found |= _best(state)
    files = {monitor: last.parent / name for monitor, name in found.items()}
    return {monitor: path for monitor, path in files.items() if path in others}


def _best(state: Any) -> dict[str, str]:
    """The monitored figure and the name of the file, of the state of a callback that has both."""
    if not isinstance(state, Mapping):
        return {}
    monitor, path = state.get("monitor"), state.get("best_model_path")
    if not (isinstance(monitor, str) and isinstance(path, str) and path):
        return {}
    return {monitor: Path(path).name}
