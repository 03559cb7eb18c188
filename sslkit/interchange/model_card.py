"""The card of an exported encoder: what a stranger needs to use and to judge it, in Markdown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sslkit._version import __version__
from sslkit.interchange.comparison import IMAGES
from sslkit.interchange.target import Target
from sslkit.nn import Encoder

_HUB_HEADER = """\
---
library_name: timm
pipeline_tag: image-feature-extraction
tags:
  - image-feature-extraction
  - timm{learned}
  - sslkit
---
"""
# What is not trained without labels, by its method.
_OTHERWISE = {
    "FineTune": "fine-tuned on labelled images",
    "LinearProbe": "frozen, as a linear probe has read it",
}

# What an evaluation has beside kNN: logistic regression; many heads of which one was chosen; the
# score of a classifier that the run itself trained.
_PROBES = {"linear": "linear", "sweep": "linear heads", "top1": "top-1", "top5": "top-5"}


@dataclass(frozen=True)
class RunFacts:
    """What is known of the run that trained an encoder.

    Attributes:
        method: Name of the method, or None.
        version: Of sslkit, when it was trained, or None.
        recipe: The run's ``config.yaml`` as text, or None.
        evaluation: The content of its ``evaluation.json``, or None.
    """

    method: str | None = None
    version: str | None = None
    recipe: str | None = None
    evaluation: Mapping[str, Any] | None = None


def model_card(
    encoder: Encoder, target: Target, name: str, facts: RunFacts, difference: float
) -> str:
    """The card as text.

    Args:
        encoder: The encoder.
        target: What it was written for.
        name: Of the file or folder.
        facts: Of its run.
        difference: Of its features in the other library, see
            `sslkit.interchange.comparison.largest_difference`.
    """
    by = f" with {facts.method}" if facts.method else ""
    how = _OTHERWISE.get(facts.method or "", f"trained without labels{by}")
    version = f" (sslkit {facts.version})" if facts.version else ""
    parts = [
        f"# {name}",
        f"The backbone `{encoder.name}` without a classifier, {how}{version}. "
        f"It turns an image into {encoder.num_features} features.",
        "## Load it",
        target.usage(encoder, name),
        f"Exported by sslkit {__version__} and compared before it was written: read back with "
        f"{target.library}, its features on {IMAGES} real images differ from those in sslkit by "
        f"at most {difference:.1g} of the largest.",
        "## Input",
        _input(encoder),
        *(["## Evaluation", _evaluation(facts.evaluation)] if facts.evaluation else []),
        *(["## Recipe", _recipe(facts.recipe)] if facts.recipe else []),
    ]
    learned = "" if facts.method in _OTHERWISE else "\n  - self-supervised"
    header = "" if target.suffixes else _HUB_HEADER.format(learned=learned)
    return header + "\n\n".join(parts) + "\n"


def _input(encoder: Encoder) -> str:
    side = encoder.image_size
    size = f"{side} x {side} pixels" if side else "any size"
    steps = f"resized to {side} pixels on the shorter side (antialiased), cropped at the centre, "
    rows = {
        "channels": encoder.in_channels,
        "size": size,
        "mean": [round(x, 6) for x in encoder.mean.tolist()],
        "std": [round(x, 6) for x in encoder.std.tolist()],
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return (
        f"Images are {steps if side else ''}divided by 255, and normalised per channel with mean "
        f"and std.\n\n| | |\n| --- | --- |\n{table}"
    )


def _evaluation(report: Mapping[str, Any]) -> str:
    rows = report["rows"]
    figures = [n for n in rows[0] if n in _PROBES or re.fullmatch(r"knn_\d+", n)]
    heads = [_PROBES.get(n, f"kNN ({n.removeprefix('knn_')})") for n in figures]
    lines = [
        f"| encoder | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(heads)}",
        *(
            f"| {row['encoder']} | {' | '.join(_percent(row.get(n)) for n in figures)} |"
            for row in rows
        ),
    ]
    about = ", ".join(f"{n}: {x}" for n, x in report["data"].items() if x is not None)
    sizes = (
        f"{about}; {report['n_train']:,} training and {report['n_test']:,} "
        f"{report['split']} images, {report['num_classes']} classes."
    )
    protocol = [f"- {name}: {text}" for name, text in report["protocol"].items()]
    return "\n\n".join(["\n".join(lines), sizes, "\n".join(protocol)])


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _recipe(text: str) -> str:
    # A fence longer than any in the text.
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", text))])
    return (
        "Run it again with `sslkit fit --config FILE`, where the file holds:\n\n"
        f"{fence}yaml\n{text.strip()}\n{fence}"
    )
