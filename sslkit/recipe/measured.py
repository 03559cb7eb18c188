"""Figures of an evaluation as a card has them: what packs promise, and what is compared with it."""

import re
from collections.abc import Mapping
from typing import Any

from sslkit.card import Figure

# What the evaluation of every fit has: kNN votes and the linear probe, or a classifier's own.
_FIGURE = re.compile(r"knn_\d+|linear|top\d+")
# Of the images that were scored, as `sslkit evaluate --train_images` limits them.
_LIMITS = ("at most train images", "at most test images")
_DEVIATIONS = 1.959964  # of a normal distribution, between which 95 % lie
_SOURCE = "one run of this recipe"


def figures_of(evaluation: Mapping[str, Any]) -> list[Figure]:
    """The figures of the trained encoder in percent, each with its protocol.

    The tolerance is how far the 95 % interval over the scored images reaches below a figure: what
    other images of the kind could have given. It is Wilson's, which has a width at 100 % too, or
    the evaluation's own where that reaches further.

    Args:
        evaluation: The content of ``evaluation.json``, or an empty mapping.

    Raises:
        ValueError: If it has no rows or a figure is no share.
    """
    if not evaluation:
        return []
    try:
        row, protocol = evaluation["rows"][0], evaluation["protocol"]
        intervals = row.get("intervals", {})
        sizes = sizes_of(evaluation)
        return [
            _figure(
                name,
                value,
                f"{protocol[name]} {sizes}",
                min([_wilson(value, evaluation["n_test"]), *intervals.get(name, ())[:1]]),
            )
            for name, value in row.items()
            if _FIGURE.fullmatch(name) and name in protocol
        ]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"evaluation.json is not what `sslkit evaluate` writes: {error!r}."
        ) from error


def sizes_of(evaluation: Mapping[str, Any]) -> str:
    """How many images an evaluation read: ``5,000 training and 1,000 test images``.

    Raises:
        KeyError: If it does not say.
    """
    n_train, n_test, split = (evaluation[key] for key in ("n_train", "n_test", "split"))
    return f"{n_train:,} training and {n_test:,} {split} images"


def is_limited(evaluation: Mapping[str, Any]) -> bool:
    """Whether it read fewer images than there are, as a run's own evaluation never does."""
    data = evaluation.get("data") or {}
    return any(data.get(key) is not None for key in _LIMITS)


def metric_of(name: str) -> str:
    """What cards call a figure of an evaluation: ``knn20`` for ``knn_20``."""
    return name.replace("_", "")


def _wilson(share: float, count: int) -> float:
    """The lower end of Wilson's 95 % interval of a share among so many; 0 of none."""
    if count < 1 or not 0 <= share <= 1:
        return 0.0
    square = _DEVIATIONS**2 / count
    spread = (share * (1 - share) * square + square**2 / 4) ** 0.5
    return max(0.0, (share + square / 2 - spread) / (1 + square))


def _figure(name: str, value: float, protocol: str, lowest: float) -> Figure:
    return Figure(
        metric=metric_of(name),
        value=round(100 * value, 2),
        protocol=protocol,
        source=_SOURCE,
        tolerance=round(100 * (value - lowest), 2),
    )
