"""Write RESULTS.md from the run records, by ``python benchmarks/results.py``.

No number in RESULTS.md, or in the README's benchmark table, is typed by hand.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any

from records import FOLDER

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def records(prefix: str) -> list[dict[str, Any]]:
    """All records whose name starts so, sorted by name."""
    return [json.loads(p.read_text()) for p in sorted(FOLDER.glob(f"{prefix}*.json"))]


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: list[float], digits: int) -> str:
    """Median and range."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def surroundings(record: dict[str, Any]) -> str:
    """Date, device and versions, as a line."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"{record['date']}; {record['device']}; {versions}."


def speed_rows(record: dict[str, Any]) -> list[list[str]]:
    """Images per second of every setting, and the ratio of sslkit's best to lightly's."""
    rates = record["rates"]
    ours = [name for name in rates if name.startswith("sslkit")]
    best = max(ours, key=lambda name: statistics.median(rates[name]))
    rows = []
    for name, values in rates.items():
        paired = [a / b for a, b in zip(rates[best], values, strict=True)]
        ratio = "" if name == best else spread(paired, 2)
        rows.append([name, spread(values, 0), ratio])
    return rows


def score_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """The kNN and linear scores of every training run, and of the random encoder."""
    rows = []
    for record in found:
        for row in record["evaluation"]["rows"]:
            is_random = row["encoder"] != "pretrained"
            if is_random and record["library"] != "sslkit":
                continue  # the same architecture and protocol; once is enough
            what = f"{record['library']}, {record['precision']}"
            if is_random:
                what = f"random initialisation ({record['precision']} run's normalisation)"
            rows.append(
                [
                    what,
                    str(record["seed"]),
                    f"{100 * row['knn_20']:.1f} %",
                    f"{100 * row['knn_200']:.1f} %",
                    f"{100 * row['linear']:.1f} %",
                ]
            )
    return rows


def quickstart_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """Scores and time of the quickstart for every seed."""
    rows = []
    for record in found:
        for row in record["evaluation"]["rows"]:
            is_random = row["encoder"] != "pretrained"
            rows.append(
                [
                    row["encoder"],
                    str(record["seed"]),
                    f"{100 * row['knn_20']:.1f} %",
                    f"{100 * row['knn_200']:.1f} %",
                    f"{100 * row['linear']:.1f} %",
                    "" if is_random else f"{record['seconds']:.0f} s",
                ]
            )
    return rows


def results() -> str:
    """The text of RESULTS.md."""
    speed = records("simclr_cifar10.speed")[0]
    trained = [r for r in records("simclr_cifar10.") if "evaluation" in r]
    quick = records("quickstart.")
    scores = ["", "seed", "kNN (20)", "kNN (200)", "linear"]
    return f"""# Measured results

Generated from the run records in `benchmarks/records/` by `python benchmarks/results.py`.

## SimCLR on CIFAR-10 with a small ResNet, against lightly

The first 10,240 training images of CIFAR-10, batch 256, 10 epochs; timm `resnet18` with channels
(32, 64, 128, 256), one block a stage and the small-image stem; temperature 0.2, jitter strength
0.5, no blur; SGD 0.24, momentum 0.9, weight decay 5e-4, 1 epoch of warm-up, then cosine. The
lightly side (`benchmarks/lightly_simclr.py`) is put together as in lightly's documentation, with
{speed["workers_of_lightly"]} worker processes. Commands: see `benchmarks/simclr_cifar10.py`.

### Speed

Images per second of training steps, data and views included: median and range of
{len(next(iter(speed["rates"].values())))} rounds, in which the settings take turns in one process.
The last column is the ratio of sslkit's fastest setting to this one, paired by round. sslkit uses
channels-last for convolutional encoders unless told otherwise.

{table(["setting", "images/s", "sslkit's best is faster by"], speed_rows(speed))}

{surroundings(speed)}

### Scores

kNN and linear probe by `sslkit evaluate`'s protocol, the same for both libraries: 10,000 labelled
training images, 5,000 real test images (each at equal distances over its set), last checkpoint.

{table(scores, score_rows(trained))}

{surroundings(trained[0])}

## Quickstart

`sslkit fit --config quickstart` on the embedded images, with other seeds by `--seed_everything`;
the time is from the start of the process to its end, the evaluation included.

{table([*scores, "time"], quickstart_rows(quick))}

{surroundings(quick[0])}
"""


def readme_table() -> str:
    """What the README shows of it: median speed, scores as the mean over seeds."""
    rates = records("simclr_cifar10.speed")[0]["rates"]
    scores: dict[str, list[dict[str, float]]] = {}
    for record in records("simclr_cifar10."):
        if "evaluation" in record:
            label = f"{record['library']}, {record['precision']}"
            label += ", channels-last" if record["library"] == "sslkit" else ""
            scores.setdefault(label, []).append(record["evaluation"]["rows"][0])
    rows = []
    for label, found in scores.items():
        means = [statistics.mean(row[name] for row in found) for name in ("knn_20", "linear")]
        cells = [f"{100 * mean:.1f} %" for mean in means]
        rows.append([label, f"{statistics.median(rates[label]):.0f}", *cells, str(len(found))])
    header = ["SimCLR, CIFAR-10, 10 epochs", "images/s", "kNN (20)", "linear", "seeds"]
    return table(header, rows)


def quickstart_table() -> str:
    """The README's picture of the quickstart: seed 0."""
    (record,) = (r for r in records("quickstart.") if r["seed"] == 0)
    rows = [row[:1] + row[2:5] for row in quickstart_rows([record])]
    minutes, seconds = divmod(round(record["seconds"]), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return (
        table(["encoder", "kNN (20)", "kNN (200)", "linear"], rows)
        + f"\n\nIt took {took} from the command to the table."
    )


def main() -> None:
    """Write RESULTS.md and the table between the README's marks."""
    (HERE / "RESULTS.md").write_text(results())
    text = README.read_text()
    for mark, content in (("quickstart", quickstart_table()), ("benchmark", readme_table())):
        marks = re.compile(rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text = marks.sub(lambda m, content=content: m[1] + content + m[2], text)
    README.write_text(text)


if __name__ == "__main__":
    main()
