"""Curves of a run in a CSV file of their own: a row a step, also when the run is resumed."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sslkit.whole_file import whole_file

# Column names and their values, row by row; NaN where there is none.
Curves = Mapping[str, np.ndarray]

_DIGITS = {"step": "d", "epoch": ".9g"}  # the other columns: six, more than their noise allows


class CurveFile:
    """A CSV file that grows while a run goes on.

    Rows are added whole, so a killed run leaves at most its last row unfinished; `read_curves` and
    `begin` leave such a row out.

    Args:
        path: The file.
        columns: Names of the values of a row, beside ``step`` and ``epoch``.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = ("step", "epoch", *columns)

    def begin(self, step: int) -> None:
        """Keep the rows of a run that goes on, up to the step that comes next; or start anew.

        Args:
            step: Of the row that is written next; it and later ones are dropped.

        Raises:
            ValueError: If the file is none of curves.
        """
        kept = read_curves(self.path) if self.path.is_file() else {}
        steps = kept.get("step", np.empty(0))
        missing = np.full(len(steps), np.nan)
        table = np.stack([kept.get(name, missing) for name in self.columns], 1)[steps < step]
        if len(table) == 0:
            self.path.unlink(missing_ok=True)
            return
        with whole_file(self.path) as unfinished:
            unfinished.write_text(self._header() + self._lines(table), encoding="utf-8", newline="")

    def append(self, rows: Iterable[Sequence[float]]) -> None:
        """Add rows at the end; the first make the file.

        Args:
            rows: Step, epoch and the values; NaN where there is none.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(("" if file.tell() else self._header()) + self._lines(rows))

    def _header(self) -> str:
        return ",".join(self.columns) + "\n"

    def _lines(self, rows: Iterable[Sequence[float]]) -> str:
        return "".join(",".join(map(self._cell, self.columns, row)) + "\n" for row in rows)

    @staticmethod
    def _cell(name: str, value: float) -> str:
        if np.isnan(value):
            return ""
        return format(int(value) if name == "step" else value, _DIGITS.get(name, ".6g"))


def read_curves(path: Path | str) -> dict[str, np.ndarray]:
    """Read what a `CurveFile` wrote.

    Args:
        path: The file.

    Returns:
        The columns as float64, NaN where a cell is empty.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else.
    """
    text = Path(path).read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]  # without a row that was being written
    header, *rows = csv.reader(whole.splitlines()) if whole else [[]]
    if "step" not in header or any(len(row) != len(header) for row in rows):
        raise ValueError(
            f"{path} is not a table of curves with a column `step` and equally long rows: move it "
            "away; a run writes its own."
        )
    try:
        table = [[float(cell) if cell else np.nan for cell in row] for row in rows]
    except ValueError as error:
        raise ValueError(
            f"{path} holds a cell that is no number ({error}): move it away."
        ) from error
    values = np.array(table).reshape(len(rows), len(header))
    return {name: values[:, column] for column, name in enumerate(header)}
