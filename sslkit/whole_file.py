"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_free(path: Path | str, *, overwrite: bool) -> None:
    """Refuse to replace a file that nobody said may go; to be asked before anything is computed.

    Args:
        path: What ``--out`` names.
        overwrite: Whether ``--overwrite`` was given.

    Raises:
        FileExistsError: If it is there and may not be replaced.
    """
    if Path(path).exists() and not overwrite:
        raise FileExistsError(
            f"{path} is there already and is not overwritten: give another --out, or --overwrite."
        )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file beside its place; it takes the place when the block ends without an error.

    An earlier file of the name stays until then, and for good after an error. Whoever is killed
    leaves a hidden file whose name has no ending to be found by.

    Args:
        path: The file; its folder is made where it is missing.

    Yields:
        The path to write to.

    Raises:
        OSError: If the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: a rename across file systems would be a copy.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
