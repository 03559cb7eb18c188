"""The recorded scores of small_cifar10.py's runs: kept beside the records, drawn together."""

from collections import Counter
from pathlib import Path

from records import FOLDER

from sslkit.figures import CurveFile, read_curves, score_figure, write_figure
from sslkit.figures.drawing import thin

# More than the picture shows.
ROWS = 200
_END = ".scores.csv"


def keep(scores: Path, record: str) -> None:
    """Keep what a run recorded, as means of neighbouring steps.

    Args:
        scores: ``scores.csv`` in the run's folder.
        record: Name of the run's record.
    """
    run = read_curves(scores)
    columns = [thin(run["step"], values, ROWS)[1] for values in run.values()]
    kept = CurveFile(FOLDER / f"{record}{_END}", [c for c in run if c not in ("step", "epoch")])
    kept.path.unlink(missing_ok=True)
    kept.append(zip(*columns, strict=True))
    print(f"wrote {kept.path}")


def found(batch: int) -> dict[str, tuple[int, Path]]:
    """Seed and file of every recipe's curves at a batch size.

    Of several seeds the one that most recipes have, so that the curves can be compared.
    """
    start, middle = "small_cifar10.sslkit.", f".batch{batch}.seed"
    curves: dict[str, dict[int, Path]] = {}
    for file in sorted(FOLDER.glob(f"{start}*{middle}*{_END}")):
        name, _, seed = file.name.removeprefix(start).removesuffix(_END).partition(middle)
        curves.setdefault(name, {})[int(seed)] = file
    times = Counter(seed for files in curves.values() for seed in files)
    best = {name: min(files, key=lambda s: (-times[s], s)) for name, files in curves.items()}
    return {name: (seed, curves[name][seed]) for name, seed in sorted(best.items())}


def draw(batch: int, picture: Path) -> None:
    """Draw them, if there are any."""
    runs = {f"small/{name}": read_curves(file) for name, (_, file) in found(batch).items()}
    if runs:
        write_figure(score_figure(runs), picture)
