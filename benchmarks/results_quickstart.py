"""The quickstart's scores and time, from the records of quickstart.py."""

from typing import Any

from record_tables import percent, read, surroundings, table


def section() -> str:
    """Every seed; empty without records."""
    found = read("quickstart.")
    if not found:
        return ""
    header = ["", "seed", "kNN (20)", "kNN (200)", "linear", "time"]
    return f"""## Quickstart

`sslkit fit --config quickstart` on the embedded images, with other seeds by `--seed_everything`;
the time is from the start of the process to its end, the evaluation included.

{table(header, _rows(found))}

{surroundings(found)}
"""


def readme() -> str:
    """The picture of the quickstart: seed 0; empty without it."""
    found = [record for record in read("quickstart.") if record["seed"] == 0]
    if not found:
        return ""
    rows = [row[:1] + row[2:5] for row in _rows(found)]
    minutes, seconds = divmod(round(found[0]["seconds"]), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    scores = table(["encoder", "kNN (20)", "kNN (200)", "linear"], rows)
    return f"{scores}\n\nIt took {took} from the command to the table."


def _rows(found: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for record in found:
        for row in record["evaluation"]["rows"]:
            scores = [percent([row[name]]) for name in ("knn_20", "knn_200", "linear")]
            time = f"{record['seconds']:.0f} s" if row["encoder"] == "pretrained" else ""
            rows.append([row["encoder"], str(record["seed"]), *scores, time])
    return rows
