"""The full protocol with intervals, from the records of protocol.py."""

from collections.abc import Mapping
from typing import Any

from record_tables import read, surroundings, table

from sslkit.evaluation.protocol_text import heading
from sslkit.evaluation.report_table import figures

_DATA = {
    "cifar10": "CIFAR-10",
    "quickstart": "the embedded images (Fashion-MNIST), to which the encoder is transferred",
}


def section() -> str:
    """Every record; empty without one."""
    found = read("protocol.")
    if not found:
        return ""
    parts = "\n\n".join(_part(record) for record in found)
    return f"""## The full protocol

`sslkit evaluate --protocol full` on a checkpoint, the same architecture untrained, and raw pixels
(`benchmarks/protocol.py`). In brackets the 95 % bootstrap interval over the test images; after the
semicolon mean ± standard deviation over the probe seeds. What is chosen (k, regularisation, head)
is chosen on held-out training images; the test images are scored once.

{parts}

{_protocol(found[0]["evaluation"])}

{surroundings(found)}
"""


def _part(record: dict[str, Any]) -> str:
    report = record["evaluation"]
    rows = report["rows"]
    data = report["data"]["data"]
    header = ["figure", *(row["encoder"] for row in rows)]
    body = [[heading(name), *(_cell(row, name) for row in rows)] for name in figures(report)]
    described = rows[0]["representation"]["images"]
    spread = [
        [
            f"{name.replace('_', ' ')} ({count:,} images)",
            *(f"{row['representation'][name]:.3g}" for row in rows),
        ]
        for name, count in described.items()
    ]
    return f"""### `{report["checkpoint"]}` on {_DATA.get(data, data)}

{report["n_train"]:,} training and {report["n_test"]:,} test images, {report["num_classes"]}
classes; {record["seconds"] / 60:.0f} minutes for features and probes.

{table(header, body)}

Features without labels:

{table(["", *header[1:]], spread)}"""


def _cell(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    cell = f"{100 * row[name]:.1f} %"
    if name in row["intervals"]:
        low, high = (100 * end for end in row["intervals"][name])
        cell += f" ({low:.1f}-{high:.1f})"
    if spread := row.get("over_seeds", {}).get(name):
        cell += f"; {100 * spread['mean']:.1f} ± {100 * spread['std']:.1f}"
    return cell


def _protocol(report: dict[str, Any]) -> str:
    texts = report["protocol"].items()
    return "\n".join(f"- {heading(name)}: {text}" for name, text in texts)
