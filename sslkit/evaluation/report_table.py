"""A report for people: what its JSON holds, as tables with the protocol below."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sslkit.evaluation.protocol_text import REPRESENTATION, heading

_TEXT_WIDTH = 88
# More figures stand below each other, with the encoders beside each other.
_MOST_COLUMNS = 4
_METRICS = {
    "mAP": "Figures are mean average precisions unless their name says otherwise.",
    "in_set": "An image counts as right if the predicted class is in its label set.",
}
# Classes in the table; of more, those that are right least often.
_CLASSES = 25


def report_table(content: Mapping[str, Any]) -> RenderableType:
    """The tables of a report, for a rich console.

    Args:
        content: What `Report.to_dict` returns.
    """
    rows, protocol = content["rows"], content["protocol"]
    names = figures(content)
    # Above the table and not its title, which would be broken at the table's width.
    title = Text(f"Frozen features of {content['checkpoint']}", style="bold", no_wrap=True)
    wide = len(names) > _MOST_COLUMNS
    parts: list[RenderableType] = [title, (_downwards if wide else _across)(rows, names)]
    parts.append(Text("\n".join(_caption(content))))
    if any("sweep_head" in row or "knn_chosen" in row for row in rows):
        parts.append(Padding(_choices(rows), (1, 0, 0, 0)))
    if any(REPRESENTATION in row for row in rows):
        parts.append(Padding(_representation(rows), (1, 0, 0, 0)))
    if any("details" in row for row in rows):
        parts.append(Padding(_classes(rows, content.get("classes")), (1, 0, 0, 0)))
    texts = Table.grid(padding=(0, 2))
    for name, text in protocol.items():
        texts.add_row(Text(heading(name), style="bold"), Text(text))
    return Group(*parts, Padding(texts, (1, 0, 0, 0)))


def report_text(content: Mapping[str, Any]) -> str:
    """The same as `report_table`, as plain text of at most 88 columns."""
    console = Console(
        file=io.StringIO(),
        width=_TEXT_WIDTH,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        console.print(report_table(content))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def figures(content: Mapping[str, Any]) -> list[str]:
    """The names of the figures of a report: what has a protocol and a number."""
    names = dict.fromkeys(name for row in content["rows"] for name in row)
    numbers = {n for row in content["rows"] for n, v in row.items() if isinstance(v, int | float)}
    return [name for name in names if name in content["protocol"] and name in numbers]


def _across(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    table = Table()
    table.add_column("encoder")
    for name in names:
        table.add_column(heading(name), justify="right")
    for number, row in enumerate(rows):
        cells = [_cell(row, name) for name in names]
        table.add_row(Text(row["encoder"]), *cells, style="dim" if number else "bold")
    return table


def _downwards(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    table = Table()
    table.add_column("figure")
    for number, row in enumerate(rows):
        style = "dim" if number else "bold"
        table.add_column(Text(row["encoder"]), justify="right", style=style)
    for name in names:
        table.add_row(heading(name), *(_cell(row, name) for row in rows))
    return table


def _cell(row: Mapping[str, Any], name: str) -> Text:
    """The figure; below it its interval and, over several seeds, mean and deviation."""
    if name not in row:
        return Text("–")
    cell = Text(f"{100 * row[name]:.1f} %")
    if name in row.get("intervals", {}):
        low, high = (100 * end for end in row["intervals"][name])
        cell.append(f"\n{low:.1f} – {high:.1f}", style="not bold dim")
    if name in row.get("over_seeds", {}):
        spread = row["over_seeds"][name]
        text = f"\n{100 * spread['mean']:.1f} ± {100 * spread['std']:.1f}"
        cell.append(text, style="not bold dim")
    return cell


def _caption(content: Mapping[str, Any]) -> list[str]:
    about = "; ".join(
        f"{name.replace('_', ' ')}: {f'{value:,}' if type(value) is int else value}"
        for name, value in content["data"].items()
        if value is not None
    )
    sizes = (
        f"{content['n_train']:,} training and {content['n_test']:,} {content['split']} images, "
        f"{content['num_classes']} classes; {content['feature_width']} features."
    )
    plan = content.get("plan", {}).get("name", "quick")
    named = [] if plan == "quick" else [f"Protocol: {plan}."]
    what = [_METRICS[metric]] if (metric := content.get("metric")) in _METRICS else []
    return [*([about] if about else []), sizes, *named, *what, *content["notes"]]


def _choices(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Chosen on held-out training images", title_justify="left")
    table.add_column("of")
    for row in rows:
        table.add_column(Text(row["encoder"]), justify="right")
    told = {
        "knn": lambda row: "k = {k}, {weight}".format(**row["knn_chosen"]),
        "linear": lambda row: f"C = {row['linear_c']:g}",
        "sweep": lambda row: _head(row["sweep_head"]),
        "sweep_best_epoch": lambda row: (
            f"{_head(row['sweep_best'])}, epoch {row['sweep_best']['epoch']}"
        ),
    }
    for name, tell in told.items():
        if any(name in row for row in rows):
            table.add_row(heading(name), *(tell(row) if name in row else "–" for row in rows))
    return table


def _head(head: Mapping[str, Any]) -> str:
    norm = ", batch-norm" if head["batch_norm"] else ""
    rates = f"rate {head['learning_rate']:g}, decay {head['weight_decay']:g}"
    return f"{head['layer']}; {rates}{norm}"


def _representation(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = [row for row in rows if REPRESENTATION in row]
    table = Table(title="Features without labels", title_justify="left")
    table.add_column("figure (images)")
    for row in shown:
        table.add_column(Text(row["encoder"]), justify="right")
    for name, count in shown[0][REPRESENTATION]["images"].items():
        values = (f"{row[REPRESENTATION][name]:.3g}" for row in shown)
        table.add_row(f"{name.replace('_', ' ')} ({count:,})", *values)
    return table


def _classes(rows: Sequence[Mapping[str, Any]], classes: Sequence[str] | None) -> Table:
    probe = "linear" if any("linear" in row.get("details", {}) for row in rows) else "sweep"
    shown = [row for row in rows if probe in row.get("details", {})]
    shares = [row["details"][probe]["per_class"] for row in shown]
    order = list(range(len(shares[0])))
    title = f"Accuracy by class, {heading(probe)}"
    if len(order) > _CLASSES:
        title += f": the {_CLASSES} classes of the first row that are right least often"
        order.sort(key=lambda c: 2.0 if shares[0][c] is None else shares[0][c])
    table = Table(title=title, title_justify="left")
    table.add_column("class")
    for row in shown:
        table.add_column(Text(row["encoder"]), justify="right")
    for c in order[:_CLASSES]:
        name = classes[c] if classes else str(c)
        cells = ("–" if own[c] is None else f"{100 * own[c]:.1f} %" for own in shares)
        table.add_row(Text(name), *cells)
    return table
