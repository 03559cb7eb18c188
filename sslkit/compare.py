"""``sslkit compare``: finished runs beside each other as a table, without torch."""

import argparse
import csv
import io
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sslkit.comparison import Comparison, compare_runs
from sslkit.finished_run import read_run
from sslkit.run_names import run_names
from sslkit.whole_file import whole_file

_FORMATS = (".md", ".csv")


def compare(options: argparse.Namespace) -> int:
    """Print the table, and write it where that is asked for.

    Args:
        options: Of `sslkit.arguments.compare_parser`.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such run.
        ValueError: If a folder is no run's, or the file's name has another ending.
        OSError: If the file cannot be written.
    """
    out = None if options.out is None else Path(options.out)
    if out is not None and out.suffix.lower() not in _FORMATS:
        raise ValueError(
            f"a comparison cannot be written as {out}: let its name end in {' or '.join(_FORMATS)}."
        )
    runs = [read_run(Path(path)) for path in dict.fromkeys(options.runs)]
    names = run_names([run.folder / "config.yaml" for run in runs])
    found = compare_runs(runs, names, seed=options.seed)
    console = Console()
    if not console.is_terminal:  # whole lines, for files and pipes
        console = Console(width=max(100, 30 + 28 * (len(runs) + 1)))
    console.print(as_table(found))
    for note in found.notes:
        console.print(Text(note))
    if out is not None:
        _write(out, as_csv(found) if out.suffix.lower() == ".csv" else as_markdown(found))
        print(f"Written to {out}.")
    return 0


def as_table(found: Comparison) -> Table:
    """For a rich console."""
    table = Table(show_lines=False)
    table.add_column("")
    for name in found.runs:
        table.add_column(Text(name), justify="right", overflow="fold")
    for number, (title, rows) in enumerate(found.sections.items()):
        if number:
            table.add_section()
        table.add_row(Text(title, style="bold"))
        for row in rows:
            cells = [Text(cell.text, style="bold" if cell.strong else "") for cell in row.cells]
            table.add_row(Text(f"  {row.name}"), *cells)
    return table


def as_markdown(found: Comparison) -> str:
    """One table a section; differences whose interval is without 0 are bold."""
    lines: list[str] = []
    for title, rows in found.sections.items():
        lines += [
            f"### {title}",
            "",
            _line(["", *found.runs]),
            _line(["---"] * (len(found.runs) + 1)),
        ]
        for row in rows:
            texts = [f"**{cell.text}**" if cell.strong else cell.text for cell in row.cells]
            lines.append(_line([row.name, *texts]))
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in found.notes)]).rstrip() + "\n"


def as_csv(found: Comparison) -> str:
    """One line for each row and run, with numbers unrounded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["section", "name", "run", "value", "low", "high"])
    for title, rows in found.sections.items():
        for row in rows:
            for run, cell in zip(found.runs, row.cells, strict=True):
                missing = cell.value is None and cell.text == "–"
                shown = "" if missing else cell.text if cell.value is None else cell.value
                writer.writerow([title, row.name, run, shown, cell.low, cell.high])
    return text.getvalue()


def _line(cells: list[str]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _write(path: Path, content: str) -> None:
    try:
        with whole_file(path) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"the comparison {path} cannot be written ({error.strerror or error}): choose another "
            "path."
        ) from error
