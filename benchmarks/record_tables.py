"""Records as Markdown: tables, scores, and the line that says where they were measured."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from records import FOLDER


def read(prefix: str) -> list[dict[str, Any]]:
    """All records whose name starts so, sorted by name."""
    return [json.loads(p.read_text()) for p in sorted(FOLDER.glob(f"{prefix}*.json"))]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first are right-aligned."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(values: Sequence[float]) -> str:
    """The mean of fractions over seeds, and their standard deviation from two seeds on."""
    mean = f"{100 * statistics.mean(values):.1f}"
    if len(values) > 1:
        mean += f" ± {100 * statistics.stdev(values):.1f}"
    return f"{mean} %"


def points(values: Sequence[float]) -> str:
    """The same for differences of fractions, in percentage points with a sign."""
    mean = f"{100 * statistics.mean(values):+.1f}"
    if len(values) > 1:
        mean += f" ± {100 * statistics.stdev(values):.1f}"
    return mean


def spread(values: Sequence[float], digits: int) -> str:
    """Median and range."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def surroundings(found: Sequence[dict[str, Any]]) -> str:
    """Dates, device and versions: a paragraph for each combination of device and versions."""
    dates: dict[str, set[str]] = {}
    for record in found:
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        dates.setdefault(f"{record['device']}; {versions}.", set()).add(record["date"])
    return "\n\n".join(
        f"{min(days)}{f' to {max(days)}' if len(days) > 1 else ''}; {where}"
        for where, days in dates.items()
    )
