"""Features in one file for other tools: a NumPy archive or a Parquet table.

N images, F feature width.
"""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sslkit.whole_file import whole_file

# Rows of a Parquet table that are written, and later read, together.
_ROW_GROUP = 16_384


def check_feature_file(path: Path | str) -> None:
    """Refuse a file that `write_features` could not write, before there are features.

    Args:
        path: Ends in .npz or .parquet.

    Raises:
        ValueError: If it ends in something else, or pyarrow is needed and not installed.
    """
    ending = Path(path).suffix.lower()
    if ending == ".parquet":
        _pyarrow("pyarrow")
    elif ending != ".npz":
        raise ValueError(
            f"features cannot be written as {path}: let its name end in .npz (NumPy) or .parquet."
        )


def write_features(
    path: Path | str, columns: Mapping[str, np.ndarray], about: Mapping[str, Any]
) -> None:
    """Write columns of equally many rows, whole or not at all.

    In a .npz file each column is an array, and ``about`` a JSON text. In a .parquet file a column
    ``(N, F)`` is a list of fixed size, and ``about`` the schema's metadata under ``sslkit``.

    Args:
        path: Ends in .npz or .parquet; an earlier file is replaced.
        columns: ``(N,)`` or ``(N, F)`` arrays of numbers or text.
        about: Where they come from, as plain values.

    Raises:
        OSError: If it cannot be written.
        ValueError: See `check_feature_file`.
    """
    check_feature_file(path)
    path = Path(path)
    text = json.dumps(about)
    try:
        with whole_file(path) as unfinished:
            if path.suffix.lower() == ".npz":
                with unfinished.open("wb") as file:
                    np.savez(file, about=np.array(text), **columns)  # pyright: ignore[reportArgumentType]
            else:
                _write_parquet(unfinished, columns, text)
    except OSError as error:
        raise OSError(
            f"the features cannot be written to {path} ({error.strerror or error}): choose another "
            "path, on a disk with space."
        ) from error


def _write_parquet(path: Path, columns: Mapping[str, np.ndarray], about: str) -> None:
    arrow, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    arrays = {}
    for name, column in columns.items():
        flat = arrow.array(column.reshape(-1))
        wide = column.ndim == 2
        arrays[name] = arrow.FixedSizeListArray.from_arrays(flat, column.shape[1]) if wide else flat
    table = arrow.table(arrays).replace_schema_metadata({"sslkit": about})
    parquet.write_table(table, path, row_group_size=_ROW_GROUP)


def _pyarrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            "a .parquet file is written by pyarrow, which is not installed: pip install "
            "'sslkit[parquet]', or let the file's name end in .npz."
        ) from error
