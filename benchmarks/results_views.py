"""Views a second of several libraries and what is learned from them, from records."""

import statistics
from typing import Any

from record_tables import percent, read, spread, surroundings, table

EXACT, FAST = "sslkit, exact colour", "sslkit, fast colour"


def section() -> str:
    """Every size and number of threads; empty without the record."""
    found = read("views")
    if not found:
        return ""
    (record,) = found
    tables = "\n\n".join(_part(row) for row in record["settings"])
    return f"""## Views

SimCLR's two views of a batch of squares of photographs in memory, normalised, as views a second:
median and range of {record["rounds"]} rounds, in which the libraries take turns in one process
(`benchmarks/views.py`). The ratios, also medians and ranges, are sslkit's rates with exact and with
fast colour over the row's, paired by round. kornia is its `AugmentationSequential` with either way
to crop, torchvision's v2 works sample by sample, and lightly's transform works in the
{record["workers_of_lightly"]} workers of its loader, beside the threads of the process. Memory is
the peak of making one batch's views beyond the images (lightly: of the loader in all its
processes). sslkit's exact colour is torchvision's arithmetic; the README says how the fast one
differs.

{tables}

{surroundings(found)}
"""


def quality_section() -> str:
    """What SimCLR learns from each kind of views; empty unless all kinds have a record."""
    exact = read("small_cifar10.sslkit.simclr.batch256.")
    kinds = {
        "sslkit, exact colour": exact,
        "sslkit, fast colour": read("view_quality.fast."),
        "torchvision v2, per sample": read("view_quality.torchvision."),
    }
    if not all(kinds.values()):
        return ""
    rows = []
    for name, found in kinds.items():
        scores = [record["evaluation"]["rows"][0] for record in found]
        shown = [percent([row[key] for row in scores]) for key in ("knn_20", "linear")]
        rows.append([name, *shown, str(len(found))])
    return f"""## What is learned from these views

`small/simclr` with sslkit's exact views, as the recipe has them, with `colour: fast`, and the same
model on views that torchvision's v2 transforms make sample by sample
(`benchmarks/view_quality.py`): kNN (20) and logistic regression on frozen features, means over the
seeds ± standard deviation. The budget is that of every method on CIFAR-10, above.

{table(["views", "kNN (20)", "linear", "seeds"], rows)}

{surroundings([record for found in kinds.values() for record in found])}
"""


def _part(row: dict[str, Any]) -> str:
    rates, blur = row["rates"], "with" if row["blur"] else "without"
    lines = []
    for name, own in rates.items():
        ratios = [
            ""
            if name == ours
            else spread([a / b for a, b in zip(rates[ours], own, strict=True)], 1)
            for ours in (EXACT, FAST)
        ]
        low, middle, high = min(own), statistics.median(own), max(own)
        rate = f"{middle:,.0f} ({low:,.0f}-{high:,.0f})"
        lines.append([name, rate, *ratios, f"{row['memory_MiB'][name]:,.0f} MiB"])
    threads = f"{row['threads']} thread{'' if row['threads'] == 1 else 's'}"
    header = ["library", "views/s", "exact is faster by", "fast is faster by", "memory"]
    sides = f"{row['size']} pixels from {row['source']}"
    return f"""{sides}, batch {row["batch"]}, {blur} blur, {threads}:

{table(header, lines)}"""
