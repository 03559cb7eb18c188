"""A ``.npy`` file that is written row by row, so that what it holds need not fit in memory."""

import os
from pathlib import Path

import numpy as np


class NpyFile:
    """An array file of a number of rows that is known only when it is closed.

    Args:
        path: The file; an earlier one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._like: np.ndarray | None = None  # no rows, of the shape and dtype of all
        self.rows = 0

    def append(self, rows: np.ndarray) -> None:
        """Add rows ``(n, ...)`` at the end.

        Raises:
            ValueError: If they are of another shape or dtype than those before.
        """
        if self._like is None:
            self._like = rows[:0]
            self._header()
        if rows.shape[1:] != self._like.shape[1:] or rows.dtype != self._like.dtype:
            raise ValueError(
                f"batches differ: {rows.dtype} rows of shape {rows.shape[1:]} follow "
                f"{self._like.dtype} rows of shape {self._like.shape[1:]}. Features and labels "
                "must be of one shape and type for all images."
            )
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def close(self, *, whole: bool) -> None:
        """Close the file, and if it is whole write the number of rows and see it to the disk."""
        with self._file:
            if whole and self._like is not None:
                # NumPy leaves room in a header for the first dimension to grow.
                self._file.seek(0)
                self._header()
                self._file.flush()
                os.fsync(self._file.fileno())

    def _header(self) -> None:
        assert self._like is not None
        header = {
            "shape": (self.rows, *self._like.shape[1:]),
            "fortran_order": False,
            "descr": np.lib.format.dtype_to_descr(self._like.dtype),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
