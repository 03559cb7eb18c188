"""The cards of the recipes in ``small/``, with the figures of their records.

``python benchmarks/results.py`` does this too. A recipe whose run with its own batch and seed has a
record gets the figures of that run, and what the run took; the rest of the file stays as it is.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from record_tables import read

RECIPES = Path(__file__).resolve().parent.parent / "recipes" / "small"
# In percentage points: over seeds the figures vary by about half a point, over the test images by
# about one (half a 95 % interval), and other machines round otherwise.
TOLERANCE = 2.0
PROTOCOLS = {
    "knn_20": "frozen features of {train:,} training images; cosine kNN, k = 20, temperature 0.07; "
    "{test:,} test images",
    "linear": "the same features; logistic regression, L2 strength chosen on held-out training "
    "images",
}


def write_cards() -> None:
    """Bring every card up to date."""
    for record in read("small_cifar10.sslkit."):
        if is_own(record):
            path = RECIPES / f"{record['method']}.yaml"
            text = path.read_text(encoding="utf-8")
            path.write_text(with_figures(text, record), encoding="utf-8")


def is_own(record: dict[str, Any]) -> bool:
    """Whether a run is that of the recipe as it is, with its batch and seed."""
    return record["batch_size"] == 256 and record["seed"] == 0


def with_figures(text: str, record: dict[str, Any]) -> str:
    """A recipe's text with the card of a measured one."""
    pretrained, random = record["evaluation"]["rows"][:2]
    sizes = {"train": record["evaluation"]["n_train"], "test": record["evaluation"]["n_test"]}
    card: dict[str, Any] = {
        "status": "measured",
        "hardware": f"{record['device'].replace('1 threads', '1 thread')}, another run beside it",
        "minutes": round(record["seconds"] / 60),
        "sslkit": record["versions"]["sslkit"],
        "expected": [
            {
                "metric": name.replace("_", ""),
                "value": round(100 * pretrained[name], 1),
                "protocol": protocol.format(**sizes),
                "source": f"benchmarks/records/{record['name']}.json",
                "tolerance": TOLERANCE,
            }
            for name, protocol in PROTOCOLS.items()
        ],
    }
    written = yaml.safe_dump(card, sort_keys=False, width=1000)
    # PyYAML does not indent the items of a list, the recipes do.
    lines = re.sub(r"^(- |  (?=\w))", r"  \1", written, flags=re.MULTILINE)
    block = "".join(f"  {line}\n" for line in lines.splitlines())
    text = re.sub(r"(?m)^  status: .*\n(?:  (?! *name:).*\n)*", lambda _: block, text, count=1)
    chance = " and ".join(f"{100 * random[name]:.1f} %" for name in PROTOCOLS)
    expected = f"# Expected  the figures on the card; random initialisation has {chance}"
    return re.sub(r"(?m)^# Expected  .*(\n#           .*)*", lambda _: expected, text, count=1)
