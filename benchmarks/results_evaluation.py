"""Time and memory of the probes on frozen features, from the records of evaluation.py."""

import statistics
from typing import Any

from record_tables import read, surroundings, table


def section() -> str:
    """Every part that there is; empty without any."""
    found = read("evaluation.")
    parts = {record["name"].removeprefix("evaluation."): record for record in found}
    told = {"sweep": _sweep, "knn": _knn, "cache": _cache}
    texts = [tell(parts[part]) for part, tell in told.items() if part in parts]
    if not texts:
        return ""
    body = "\n\n".join(texts)
    return f"""## Probes on frozen features: time and memory

Synthetic features of width 512 (`benchmarks/evaluation.py`); forms take turns in one process, and
ratios are medians and quartiles of the rounds.

{body}

{surroundings(found)}
"""


def _sweep(record: dict[str, Any]) -> str:
    sizes, forms = record["setting"], record["forms"]
    return f"""Linear heads side by side, {sizes["images"]:,} images, {sizes["classes"]} classes,
batches of {sizes["batch_size"]}, {sizes["threads"]} threads: one epoch of training, and the whole
`linear_sweep` (choice on held-out images, last training, scoring).

{table(["heads", "time", "to the first of its kind"], [_row(*form) for form in forms.items()])}"""


def _knn(record: dict[str, Any]) -> str:
    sizes, forms = record["setting"], record["forms"]
    rows = [
        [*_row(name, form), f"{form['extra_MiB']:.0f} MiB", f"{form['memory_ratio']:.2f}"]
        for name, form in forms.items()
    ]
    header = ["kNN", "time", "to lightly's", "memory beyond the inputs", "to lightly's"]
    return f"""kNN of {sizes["queries"]:,} queries among {sizes["bank"]:,} rows, k = {sizes["k"]},
{sizes["threads"]} threads; the two agree on {record["agree"]:.2%} of the queries.

{table(header, rows)}"""


def _cache(record: dict[str, Any]) -> str:
    sizes, probes = record["setting"], record["probes"]
    rows = [
        [name.replace("_", " "), f"{own['seconds']:.0f} s", f"{own['peak_MiB']:,.0f} MiB"]
        for name, own in probes.items()
    ]
    file = sizes["images"] * sizes["width"] * 4 / 2**20
    return f"""Probes of a memory-mapped file of {sizes["images"]:,} features of width
{sizes["width"]} ({file:,.0f} MiB), {sizes["classes"]} classes, {sizes["epochs"]} epochs of
{sizes["heads"]} heads, {sizes["threads"]} threads, each probe in a process of its own; the peak
includes the pages of the file.

{table(["probe", "time", "peak memory"], rows)}"""


def _row(name: str, form: dict[str, Any]) -> list[str]:
    low, high = form["ratio_quartiles"]
    first = form["ratio"] == low == high == 1
    seconds = f"{statistics.median(form['seconds']):.2f} s"
    return [name, seconds, "" if first else f"{form['ratio']:.2f} ({low:.2f}-{high:.2f})"]
