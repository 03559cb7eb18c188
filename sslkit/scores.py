"""``sslkit scores``: the recorded scores of finished runs in one picture, without torch."""

import argparse
from pathlib import Path

from sslkit.figures import Curves, read_curves, score_figure, write_figure
from sslkit.run_names import has_any, run_names
from sslkit.whole_file import check_free

_FILE = "scores.csv"


def draw_scores(options: argparse.Namespace) -> int:
    """Draw runs together.

    Args:
        options: Of `sslkit.arguments.scores_parser`.

    Returns:
        The exit code.

    Raises:
        FileExistsError: If the picture is there and may not be replaced.
        FileNotFoundError: If there is no such run.
        ValueError: If a run has no recorded scores, or the picture's name has another ending.
    """
    check_free(options.out, overwrite=options.overwrite)
    paths = [Path(run) for run in dict.fromkeys(options.runs)]
    files = [_recorded(path) for path in paths]
    runs = dict(zip(run_names(files), map(_read, files), strict=True))
    write_figure(score_figure(runs), options.out)
    print(f"Written to {options.out}.")
    return 0


def _recorded(path: Path) -> Path:
    if path.is_file():
        return path
    if has_any(path, (_FILE,), purpose="draw"):
        return path / _FILE
    raise ValueError(
        f"{path} has no recorded scores ({_FILE}), and they cannot be computed afterwards: add "
        "`class_path: sslkit.callbacks.ScoreMonitor` to trainer.callbacks and train again. They "
        "are recorded for methods that compare with negatives (SimCLR, DCL, MoCo, NNCLR, ...)."
    )


def _read(file: Path) -> Curves:
    run = read_curves(file)
    if "negative_mean" not in run:
        raise ValueError(
            f"{file} holds no scores (its columns are {', '.join(run)}): give the folder of a run, "
            f"or the {_FILE} that ScoreMonitor wrote."
        )
    return run
