"""Scores of every method on one small CIFAR-10 budget, from the records of small_cifar10.py."""

import json
import statistics

import small_recipes
from record_tables import percent, points, read, surroundings, table

BATCH, BATCHES = 256, (32, 64, 256)
SCORES = ("knn_20", "linear")
COMPARED = {
    "simclr": "SimCLR",
    "byol": "BYOL",
    "moco": "MoCo",
    "barlow_twins": "Barlow Twins",
    "dcl": "DCL",
}

# By score, then by seed.
Scores = dict[str, dict[int, float]]


class Runs:
    """All runs: their scores by library, method and batch size.

    Raises:
        ValueError: If they were scored on different numbers of images.
    """

    def __init__(self) -> None:
        """Read the records."""
        self.records = read("small_cifar10.")
        self.pretrained: dict[tuple[str, str, int], Scores] = {}
        self.random: dict[str, list[dict[str, float]]] = {}
        for record in self.records:
            row, random = record["evaluation"]["rows"]
            key = (record["library"], record["method"], record["batch_size"])
            scores = self.pretrained.setdefault(key, {name: {} for name in SCORES})
            for name in SCORES:
                scores[name][record["seed"]] = row[name]
            if key[0] == "sslkit":
                self.random.setdefault(key[1], []).append(random)
        sizes = {(r["evaluation"]["n_train"], r["evaluation"]["n_test"]) for r in self.records}
        if len(sizes) > 1:
            raise ValueError(
                f"the records small_cifar10.* were scored on {sorted(sizes)} training and test "
                "images, which cannot stand in one table: make those that differ again."
            )
        self.sizes = next(iter(sizes), (0, 0))

    def of(self, library: str, method: str, batch: int = BATCH) -> Scores | None:
        """The scores of a method, or None where there is no run."""
        return self.pretrained.get((library, method, batch))

    def methods(self) -> list[str]:
        """The methods of sslkit without plug-ins, see `with_plugins`."""
        return [method for method in self._recorded() if small_recipes.plain(method) is None]

    def with_plugins(self) -> list[str]:
        """Those with plug-ins, at the common batch size, the best linear score first."""
        return [method for method in self._recorded() if small_recipes.plain(method)]

    def _recorded(self) -> list[str]:
        means = {
            method: statistics.mean(scores["linear"].values())
            for (library, method, batch), scores in self.pretrained.items()
            if library == "sslkit" and batch == BATCH
        }
        return sorted(means, key=lambda method: -means[method])


def section() -> str:
    """Every method with a record; empty without any."""
    runs = Runs()
    if not runs.methods():
        return ""
    header = ["`small/` recipe", "kNN (20)", "linear", "seeds"]
    header += ["lightly's kNN (20)", "lightly's linear", "lightly's seeds"]
    rows = [_method_row(runs, method) for method in runs.methods()] + _random_rows(runs)
    shown = [
        record
        for record in runs.records
        if record["batch_size"] == BATCH and small_recipes.plain(record["method"]) is None
    ]
    labelled, tested = runs.sizes
    return f"""## Every method on a small CIFAR-10 budget

The first 10,240 training images of CIFAR-10, batch {BATCH}, 10 epochs in bf16; timm `resnet18` with
one block a stage, channels (32, 64, 128, 256) and the small-image stem. What a method has of its
own (heads, learning rate, queue, views) is in its recipe in `recipes/small/`; command:
`benchmarks/small_cifar10.py`.

kNN (20 neighbours, cosine) and logistic regression on frozen features of the last checkpoint, by
`sslkit evaluate`'s protocol for both libraries: {labelled:,} labelled training images, the same as
in pretraining, and {tested:,} test images. Figures are means over the seeds, ± the standard
deviation from two seeds on. With few seeds, differences of about a point say nothing; and ten
epochs on a fifth of the images rank the methods at this budget, not at that of their papers.

lightly's methods (`benchmarks/lightly_methods.py`) are put together as in the examples of its
documentation, with its transforms, heads and losses. Backbone, images, batch, optimiser and the
sizes that both libraries let one choose are those of the recipe; where the two define one loss with
different factors, lightly's is multiplied, so that both take the same step. What else the examples
do otherwise is left as it is: MoCo's batch statistics are neither shuffled nor split, and BYOL's
last layers have biases.

{table(header, rows)}

{surroundings(shown)}
"""


def batch_section() -> str:
    """DCL and SimCLR at every batch size that both have; empty if that is the common one only."""
    runs = Runs()
    rows, shown, linear = [], [], []
    for batch in BATCHES:
        simclr, dcl = runs.of("sslkit", "simclr", batch), runs.of("sslkit", "dcl", batch)
        seeds = sorted(simclr["linear"].keys() & dcl["linear"].keys()) if simclr and dcl else []
        if not (simclr and dcl and seeds):
            continue
        shown.append(batch)
        cells = []
        for name in SCORES:
            ours, other = ([scores[name][seed] for seed in seeds] for scores in (dcl, simclr))
            gaps = [a - b for a, b in zip(ours, other, strict=True)]
            cells += [percent(other), percent(ours), points(gaps)]
        linear.append(statistics.mean(gaps))  # the last score's
        rows.append([str(batch), *cells, str(len(seeds))])
    if not set(shown) - {BATCH}:
        return ""
    used = [
        record
        for record in runs.records
        if (record["library"], record["batch_size"]) in {("sslkit", batch) for batch in shown}
        and record["method"] in ("simclr", "dcl")
    ]
    header = ["batch", "SimCLR kNN (20)", "DCL kNN (20)", "gap"]
    header += ["SimCLR linear", "DCL linear", "gap", "seeds"]
    return f"""## DCL against SimCLR as the batch shrinks

The same budget and protocol with the recipes `small/simclr` and `small/dcl`; the batch alone is
changed, and with it, linearly, the learning rate. The gap is DCL's score less SimCLR's in
percentage points, paired by seed. The claim of DCL's authors (Yeh et al., ECCV 2022) is that it
grows as the batch shrinks.

{_growth(linear)}

{table(header, rows)}

{surroundings(used)}
"""


def _growth(gaps: list[float]) -> str:
    """What the linear gaps say, from the smallest batch to the largest."""
    if gaps[0] - gaps[-1] > 0.01 and gaps == sorted(gaps, reverse=True):
        return "Here it does, in linear accuracy."
    if max(map(abs, gaps)) < 0.01:
        return "Here it does not: the gaps are those of two methods that are equally good."
    return "Here it does not, or not by more than a point in linear accuracy."


def readme() -> str:
    """The methods that both libraries have been measured on; empty without any."""
    runs = Runs()
    rows = []
    for method, name in COMPARED.items():
        ours, lightly = runs.of("sslkit", method), runs.of("lightly", method)
        if ours and lightly:
            cells = [
                percent(list(of[score].values())) for score in SCORES for of in (ours, lightly)
            ]
            counts = [str(len(of["linear"])) for of in (ours, lightly)]
            rows.append([name, *cells, " and ".join(dict.fromkeys(counts))])
    header = ["CIFAR-10, 10 epochs", "kNN: sslkit", "lightly", "linear: sslkit", "lightly", "seeds"]
    if not rows:
        return ""
    return f"""{table(header, rows)}

The `small/` recipes, and lightly's same methods on the same encoder, images, epochs, batch and
optimiser, under one evaluation: kNN (20) and logistic regression, means over the seeds. With few
seeds, differences of about a point say nothing."""


def _method_row(runs: Runs, method: str) -> list[str]:
    return [f"`{method}`", *_cells(runs.of("sslkit", method)), *_cells(runs.of("lightly", method))]


def _cells(scores: Scores | None) -> list[str]:
    if scores is None:
        return ["", "", ""]
    means = [percent(list(scores[name].values())) for name in SCORES]
    return [*means, str(len(scores["linear"]))]


def _random_rows(runs: Runs) -> list[list[str]]:
    """A row for each encoder that the recipes start from; the one of most methods has no names."""
    methods: dict[str, list[str]] = {}
    for method in runs.random:
        methods.setdefault(_encoder(method), []).append(method)
    rows = []
    for same in sorted(methods.values(), key=len, reverse=True):
        found = [random for method in same for random in runs.random[method]]
        means = [percent([statistics.mean(random[name] for random in found)]) for name in SCORES]
        whose = f" ({', '.join(f'`{method}`' for method in same)})" if rows else ""
        rows.append([f"random initialisation{whose}", *means, "", "", "", ""])
    return rows


def _encoder(method: str) -> str:
    return json.dumps(small_recipes.models()[method]["init_args"]["encoder"], sort_keys=True)
