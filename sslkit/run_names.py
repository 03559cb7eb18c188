"""Runs as the user names them: their folders, and what they are called beside each other."""

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


def has_any(folder: Path, files: Sequence[str], *, purpose: str) -> bool:
    """Whether a folder is that of a run, which has one of some files.

    Args:
        folder: What the user named.
        files: Names; the first is looked for in the folders inside too.
        purpose: What the user wants with runs: ``draw``.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds runs, and is none.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no run at {folder}: give the folder of a run, such as "
            "runs/quickstart/version_0."
        )
    if any((folder / name).is_file() for name in files):
        return True
    within = sorted(file.parent.name for file in folder.glob(f"*/{files[0]}"))
    if within:
        raise ValueError(
            f"{folder} holds several runs: name those to {purpose}, such as {folder / within[-1]}."
        )
    return False
