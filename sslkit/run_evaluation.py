"""The evaluation in a run's folder, if it is that of a checkpoint as it is now."""

import json
from pathlib import Path
from typing import Any

FILE = "evaluation.json"
# How much later than its evaluation a checkpoint may be dated, in seconds, for copied folders.
_COPYING = 60.0


def current_evaluation(checkpoint: Path, run: Path, *, what: str) -> dict[str, Any] | None:
    """What ``sslkit evaluate`` found for a checkpoint; prints why, where there is nothing.

    Args:
        checkpoint: A file.
        run: The folder of its run.
        what: Of which the evaluation shall become a part, for messages: ``card``.

    Raises:
        ValueError: If the file is not what ``sslkit evaluate`` writes.
    """
    file = run / FILE
    if not file.is_file():
        print(f"The {what} has no evaluation table: `sslkit evaluate` makes one.")
        return None
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        scored = Path(report["checkpoint"]).name
        _ = [report[n] for n in ("rows", "data", "n_train", "n_test", "split", "num_classes")]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is not an evaluation as `sslkit evaluate` writes it: run that again, or "
            "remove the file."
        ) from error
    later = checkpoint.stat().st_mtime - file.stat().st_mtime
    if scored != checkpoint.name or later > _COPYING:
        why = f"is of {scored}" if scored != checkpoint.name else "is older than the checkpoint"
        print(f"The {what} has no evaluation table: {file} {why}. `sslkit evaluate` makes one.")
        return None
    return report
