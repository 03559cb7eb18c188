"""What a training step costs beside its encoder, from the record of step.py."""

import statistics
from typing import Any

from record_tables import read, spread, surroundings, table

BARE = "bare encoder"
# A loader's worker processes do not share work, so more of them are at best as much faster.
EXTRAPOLATED = 16


def section() -> str:
    """Parts, whole steps, compilation and loading; empty without the record."""
    found = read("step")
    if not found:
        return ""
    (record,) = found
    setting = record["setting"]
    rounds = len(next(iter(record["end_to_end"].values())))
    pieces = [
        f"""## What a step costs beside its encoder

A training step with the settings of `recipes/small/` (batch {setting["batch"]}, {setting["side"]}
px, a narrow ResNet, channels-last, {setting["precision"]}) beside its encoder's bare forward and
backward on ready views of the same precision and memory format; for MoCo and BYOL the target
encoder's forward is part of that (`benchmarks/step.py`). Each part is timed alone, and `sum` is all
of them over the bare encoder. `end to end` is a step of a fit with the online probe, over a bare
run right after it. Milliseconds are medians of {rounds} rounds, in which everything takes turns in
one process; ratios are medians and ranges of the rounds.

{table(["method", "bare encoder, ms", "sum", "end to end"], _ratios(record))}

{table(["part, ms", *record["parts"]], _parts(record))}"""
    ]
    if "compiled" in record:
        pieces.append(
            f"""`compile: true` against the same step without (one that Lightning does not run):

{_compiled(record)}"""
        )
    if "loading" in record:
        pieces.append(_loading(record))
    return "\n\n".join([*pieces, surroundings(found)]) + "\n"


def _ratios(record: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, parts in record["parts"].items():
        sums = [
            sum(taken) / bare for *taken, bare in zip(*parts.values(), parts[BARE], strict=True)
        ]
        whole = record["end_to_end"][name]
        rows.append([name, _ms(parts[BARE]), spread(sums, 3), spread(whole, 3)])
    return rows


def _parts(record: dict[str, Any]) -> list[list[str]]:
    names = list(dict.fromkeys(part for parts in record["parts"].values() for part in parts))
    return [
        [part, *(_ms(parts[part]) if part in parts else "" for parts in record["parts"].values())]
        for part in names
    ]


def _compiled(record: dict[str, Any]) -> str:
    rows = []
    for name, taken in record["compiled"].items():
        paired = [a / b for a, b in zip(taken["compiled"], taken["plain"], strict=True)]
        (first,) = taken["first compiled step"]
        ratio = f"{spread(paired, 2)} of the time"
        rows.append([name, _ms(taken["plain"]), _ms(taken["compiled"]), ratio, f"{first:.0f}"])
    return table(["method", "plain, ms", "compiled, ms", "compiled takes", "first step, s"], rows)


def _loading(record: dict[str, Any]) -> str:
    """Step rates that data and views alone would allow."""
    batch = record["setting"]["batch"]
    rates = record["loading"]
    ours, theirs = rates["sslkit"], rates["lightly, 2 workers"]
    paired = [a / b for a, b in zip(ours, theirs, strict=True)]
    many = statistics.median(theirs) * EXTRAPOLATED / 2
    rows = [
        ["sslkit, one process", spread(ours, 0), f"{statistics.median(ours) / batch:.1f}"],
        ["lightly, 2 workers", spread(theirs, 0), f"{statistics.median(theirs) / batch:.1f}"],
        [f"lightly, {EXTRAPOLATED} workers, extrapolated", f"{many:.0f}", f"{many / batch:.1f}"],
    ]
    return f"""Data and views alone, without a network: faster steps than these would wait for them.
An accelerator makes the encoder 50 to 100 times faster than a CPU, and sslkit's views then run on
it too; here they run on the CPU. sslkit's are {spread(paired, 1)} times lightly's with two workers.
The last row was not measured: it is {EXTRAPOLATED // 2} times the row before, as if every worker
had a core of its own.

{table(["data and views", "images/s", f"steps/s at batch {batch}"], rows)}"""


def _ms(values: list[float]) -> str:
    middle = statistics.median(values) * 1e3
    return f"{middle:.0f}" if middle >= 100 else f"{middle:.1f}"
