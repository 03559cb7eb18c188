"""The speed of SimCLR's training steps, from the record of simclr_speed.py."""

import statistics
from typing import Any

from record_tables import read, spread, surroundings, table


def section() -> str:
    """Every setting; empty without the record."""
    found = read("simclr_speed")
    if not found:
        return ""
    (record,) = found
    rounds = len(next(iter(record["rates"].values())))
    return f"""## SimCLR's speed beside lightly

Images per second of training steps on CIFAR-10, data and views included, with the settings of
`recipes/small/simclr.yaml` (batch 256, a narrow ResNet) and lightly put together as in its
documentation, with {record["workers_of_lightly"]} worker processes: median and range of {rounds}
rounds, in which the settings take turns in one process (`benchmarks/simclr_speed.py`). The last
column is the ratio of sslkit's fastest setting to this one, paired by round. sslkit uses
channels-last for convolutional encoders unless told otherwise.

{table(["setting", "images/s", "sslkit's best is faster by"], _rows(record))}

{surroundings(found)}
"""


def readme() -> str:
    """The medians of both libraries, sslkit in its default memory format."""
    found = read("simclr_speed")
    if not found:
        return ""
    (record,) = found
    rates = {name: statistics.median(values) for name, values in record["rates"].items()}
    rows = [
        [
            precision,
            f"{rates[f'sslkit, {precision}, channels-last']:.0f}",
            f"{rates[f'lightly, {precision}']:.0f}",
        ]
        for precision in ("bf16-mixed", "32-true")
    ]
    return f"""{table(["SimCLR, images/s", "sslkit", "lightly"], rows)}

Speed of the training steps with data and views, on {record["device"]}: median of rounds in turn,
sslkit in its default memory format, lightly with {record["workers_of_lightly"]} workers."""


def _rows(record: dict[str, Any]) -> list[list[str]]:
    rates = record["rates"]
    ours = [name for name in rates if name.startswith("sslkit")]
    best = max(ours, key=lambda name: statistics.median(rates[name]))
    rows = []
    for name, values in rates.items():
        paired = [a / b for a, b in zip(rates[best], values, strict=True)]
        rows.append([name, spread(values, 0), "" if name == best else spread(paired, 2)])
    return rows
