"""Time and memory of the probes on frozen features, from what evaluation*.py recorded."""

import statistics
from typing import Any

from record_tables import read, surroundings, table


def section() -> str:
    """Every part that there is; empty without any."""
    found = read("evaluation.")
    parts = {record["name"].removeprefix("evaluation."): record for record in found}
    told = {"sweep": _sweep, "knn": _knn}
    texts = [tell(parts[part]) for part, tell in told.items() if part in parts]
    caches = [record for part, record in parts.items() if part.startswith("cache.")]
    if caches:
        texts.append(_cache(sorted(caches, key=lambda record: record["setting"]["classes"])))
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


_CALLED = {
    "linear_sweep": "`linear_sweep`",
    "knn_grid": "`knn_grid`",
    "linear_probe": "`linear_probe` of {images} images",
    "figures": "figures without labels, of as many scored images",
    "spectrum": "ranks, deviations and sparsity of all rows",
}


def _cache(found: list[dict[str, Any]]) -> str:
    sizes = found[0]["setting"]
    classes = [f"{record['setting']['classes']:,} classes" for record in found]
    header = ["probe", *(f"{part}, {c}" for c in classes for part in ("peak memory", "time"))]
    names = dict.fromkeys(name for record in found for name in record["probes"])
    rows = [_probe(name, [record["probes"].get(name) for record in found]) for name in names]
    file = sizes["images"] * sizes["width"] * 4 / 2**20
    notes = [
        f"- With {count}: {note}"
        for count, record in zip(classes, found, strict=True)
        for note in record["probes"].get("full protocol", {}).get("notes", [])
    ]
    left_out = "\n".join(["", "What the full protocol says that it leaves out:", "", *notes])
    return f"""Probes of a memory-mapped file of {sizes["images"]:,} features of width
{sizes["width"]} ({file:,.0f} MiB), {sizes["heads"]} heads, {sizes["epochs"]} epoch, one seed,
{sizes["threads"]} threads, each probe in a process of its own
(`benchmarks/evaluation_cache.py`). The peak is all that the process holds: the libraries, and the
pages of the file that it has read.

{table(header, rows)}
{left_out if notes else ""}""".rstrip()


def _probe(name: str, found: list[dict[str, Any] | None]) -> list[str]:
    images = " and ".join(f"{one['images']:,}" for one in found if one and "images" in one)
    cells = [
        (f"{one['peak_MiB']:,.0f} MiB", f"{one['seconds']:.0f} s") if one else ("", "")
        for one in found
    ]
    called = _CALLED.get(name, name).replace("{images}", images)
    return [called, *(cell for pair in cells for cell in pair)]


def _row(name: str, form: dict[str, Any]) -> list[str]:
    low, high = form["ratio_quartiles"]
    first = form["ratio"] == low == high == 1
    seconds = f"{statistics.median(form['seconds']):.2f} s"
    return [name, seconds, "" if first else f"{form['ratio']:.2f} ({low:.2f}-{high:.2f})"]
