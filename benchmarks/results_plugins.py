"""Scores of the recipes with plug-ins beside those of the plain ones."""

import statistics

import score_curves
import small_recipes
from record_tables import percent, points, read, surroundings, table
from results_methods import BATCH, SCORES, Runs

PICTURE = "scores.png"


def section() -> str:
    """Every recipe with plug-ins and a record; empty without any."""
    runs = Runs()
    found = _table(runs)
    if not found:
        return ""
    plain = {method: small_recipes.plain(method) for method in runs.with_plugins()}
    used = [
        record
        for record in runs.records
        if (record["library"], record["batch_size"]) == ("sslkit", BATCH)
        and record["method"] in {*plain, *plain.values()}
    ]
    return f"""## Plug-ins over MoCo and SimCLR

The budget and protocol are those of every method on CIFAR-10, above; a recipe differs from the
plain one in its plug-ins alone. Differences are in percentage points, paired by seed. The plug-ins
have the settings of their papers, scaled to the queue or batch and to ten epochs; none was tuned
here, and ten epochs are few.

{found}
{_later()}{_curves(PICTURE)}
{surroundings(used)}
"""


def notebook() -> str:
    """The same table and curves for the notebook on negatives."""
    found = _table(Runs())
    return f"{found}\n{_curves(f'../benchmarks/{PICTURE}')}".rstrip() if found else ""


def _table(runs: Runs) -> str:
    """Plain recipes, each with those that add plug-ins below it."""
    plain = {method: small_recipes.plain(method) or method for method in runs.with_plugins()}
    rows = []
    for base in sorted({*plain.values()}):
        same = [method for method, its in plain.items() if its == base]
        rows += [_row(runs, method, base) for method in (base, *same) if runs.of("sslkit", method)]
    header = ["`small/` recipe", "kNN (20)", "to plain", "linear", "to plain", "seeds"]
    return f"{table(header, rows)}\n\n{_reading(runs, plain)}" if rows else ""


def _reading(runs: Runs, plain: dict[str, str]) -> str:
    """Which plug-ins gain more in linear accuracy than their gain varies over the seeds."""
    gains = []
    for method, base in plain.items():
        own, other = runs.of("sslkit", method), runs.of("sslkit", base)
        if own is None or other is None:
            continue
        seeds = own["linear"].keys() & other["linear"].keys()
        differences = [own["linear"][seed] - other["linear"][seed] for seed in seeds]
        if len(seeds) > 1 and statistics.mean(differences) > statistics.stdev(differences):
            gains.append(f"`{method}`")
    if not gains:
        return "At this budget none of the plug-ins makes a better encoder than the plain recipe."
    return f"At this budget {' and '.join(gains)} gain more than the gain varies over the seeds."


def _row(runs: Runs, method: str, base: str) -> list[str]:
    scores, plain = runs.of("sslkit", method), runs.of("sslkit", base)
    assert scores is not None
    cells = []
    for name in SCORES:
        gap = ""
        if plain is not None and method != base:
            seeds = sorted(scores[name].keys() & plain[name].keys())
            gap = points([scores[name][s] - plain[name][s] for s in seeds]) if seeds else ""
        cells += [percent(list(scores[name].values())), gap]
    return [f"`{method}`", *cells, str(len(scores["linear"]))]


def _later() -> str:
    """Feature transformation that starts later; nothing without its record."""
    found = read("small_cifar10_later.sslkit.moco_ft.")
    if not found:
        return ""
    scores = [record["evaluation"]["rows"][0] for record in found]
    knn, linear = (percent([row[name] for row in scores]) for name in SCORES)
    seeds = f"{len(found)} seed{'' if len(found) == 1 else 's'}"
    return f"""
From the first step on, as its authors have it, feature transformation keeps all embeddings close
together here (below: the mean of the negatives). Both plug-ins from the third epoch on, by
`schedule: {{start: 2}}`, give {knn} kNN and {linear} linear ({seeds}).
"""


def _curves(picture: str) -> str:
    """The picture that results.py draws, by its address; a blank line without curves."""
    found = score_curves.found(BATCH)
    if not found:
        return ""
    seeds = " and ".join(map(str, sorted({seed for seed, _ in found.values()})))
    return f"""
Scores of positives and negatives over training, as `sslkit.callbacks.ScoreMonitor` records and
`sslkit scores` draws them, of seed {seeds}:

![Scores of positives and negatives over training]({picture})
"""
