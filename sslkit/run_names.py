"""What runs are called beside each other."""

from collections.abc import Sequence
from pathlib import Path


def run_names(files: Sequence[Path]) -> list[str]:
    """Names that tell runs apart, as short as can be: ``moco/version_0``.

    Args:
        files: One in the folder of each run.
    """
    folders = [file.resolve().parent.parts for file in files]
    count = 2
    while len({folder[-count:] for folder in folders}) < len({*folders}):
        count += 1
    return [str(Path(*folder[-count:])) for folder in folders]
