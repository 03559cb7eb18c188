"""One set of features on disk: a folder of arrays that appears whole or not at all.

N images, F feature width.
"""

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit.evaluation.feature_key import key_name
from sslkit.evaluation.features import NOTHING, Features
from sslkit.evaluation.npy_file import NpyFile

_KEY = "key.json"
_ARRAYS = ("features", "labels", "index")
_UNFINISHED = ".unfinished-"
# Nobody writes any more to what has not changed for so many seconds.
_ABANDONED = 24 * 3600


class EntryWriter:
    """Writes features batch by batch, beside the place where they will be.

    Args:
        entry: The folder to become; nothing is written before there is a batch.
        key: What the features depend on; kept with them.
    """

    def __init__(self, entry: Path, key: dict[str, Any]) -> None:
        self._entry, self._key = entry, key
        self._folder = entry.with_name(f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}")
        self._files: list[NpyFile] = []

    def append(self, batch: Sequence[np.ndarray]) -> None:
        """Add a batch: features ``(B, F)``, labels ``(B,)`` or ``(B, K)``, positions ``(B,)``.

        Raises:
            OSError: If it cannot be written; the message names the folder.
            ValueError: If it is of another width or type than those before.
        """
        try:
            if not self._files:
                _remove_abandoned(self._entry.parent)
                self._folder.mkdir(parents=True)
                self._files = [NpyFile(self._folder / f"{name}.npy") for name in _ARRAYS]
            for file, rows in zip(self._files, batch, strict=True):
                file.append(rows)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Let the entry appear; if another process was faster, its own stays.

        Raises:
            OSError: If it cannot be written.
            ValueError: If there was no batch.
        """
        if not self._files:
            raise ValueError(NOTHING)
        try:
            while self._files:
                self._files.pop().close(whole=True)
            (self._folder / _KEY).write_text(json.dumps(self._key, indent=2) + "\n", "utf-8")
            try:
                os.rename(self._folder, self._entry)
            except OSError:
                if not self._entry.is_dir():
                    raise
        except OSError as error:
            raise self._unwritable(error) from error

    def drop(self) -> None:
        """Remove what is not finished."""
        while self._files:
            with contextlib.suppress(OSError):  # of a full disk, which has been reported
                self._files.pop().close(whole=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unwritable(self, error: OSError) -> OSError:
        return OSError(
            f"features cannot be written to the folder {self._entry.parent} "
            f"({error.strerror or error}): give one of your own (--cache), on a disk with space."
        )


def read_entry(entry: Path) -> Features:
    """Features from their files, mapped and not read; what is changed in them stays in memory.

    Raises:
        FileNotFoundError: If the entry is not there.
        ValueError: If it is not what was written, or not under its own name.
    """
    if not entry.is_dir():
        raise FileNotFoundError(
            f"there are no features at {entry}. Where several machines work together, all must see "
            "the folder: give one that they share."
        )
    try:
        key = json.loads((entry / _KEY).read_text("utf-8"))
        arrays = [np.load(entry / f"{name}.npy", mmap_mode="c") for name in _ARRAYS]
        lengths = {len(array) for array in arrays}
        if arrays[0].ndim != 2 or len(lengths) != 1:
            raise ValueError(f"arrays of shapes {[array.shape for array in arrays]}")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"the features in {entry} are damaged ({error}): delete this folder, and they will be "
            "extracted again."
        ) from error
    if key_name(key) != entry.name:
        raise ValueError(
            f"the features in {entry} are those of another checkpoint or of other images: the "
            "folder was renamed or changed. Delete it, and they will be extracted again."
        )
    return Features(*map(torch.from_numpy, arrays))


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes left behind that were killed while they wrote."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        try:
            changed = max(file.stat().st_mtime for file in (left, *left.iterdir()))
        except OSError:  # its process finishes it just now
            continue
        if time.time() - changed > _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
