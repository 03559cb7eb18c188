"""What an evaluation measures: the quick protocol, the full one, and what is changed in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sslkit.evaluation.knn import GRID


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured beside the weighted kNN vote and the logistic regression.

    Attributes:
        name: What a report calls it: ``quick``, ``full``, or either with changes.
        grid: Values of k for weighted and unweighted votes, one of which is chosen on held-out
            training images; without any, there is no such choice.
        sweep: Whether many linear heads are trained by SGD, and one is chosen in the same way.
        epochs: Of that training; more where they would be under 1,000 steps.
        layers: How many feature maps the heads see beside the encoder's output, see
            `sslkit.nn.LayeredEncoder`.
        fractions: Shares of the labels, as many of every class, on which the logistic regression is
            fitted too.
        shots: Numbers of images of every class, likewise.
        seeds: How often each probe is repeated, with the seeds from the evaluation's own on.
        details: Whether to look into the predictions (confusions, single classes, calibration) and
            into the features (alignment, uniformity, ranks, spectrum).
        pixels: Whether the pixels of the images are scored as features too.

    Raises:
        ValueError: If a value is out of its range.
    """

    name: str = "quick"
    grid: Sequence[int] = ()
    sweep: bool = False
    epochs: int = 10
    layers: int = 0
    fractions: Sequence[float] = ()
    shots: Sequence[int] = ()
    seeds: int = 1
    details: bool = False
    pixels: bool = False

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("layers", 0), ("seeds", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be at least {lowest}, got {getattr(self, name)}.")
        for name in ("grid", "shots"):
            if any(value < 1 for value in getattr(self, name)):
                raise ValueError(
                    f"{name} must be whole numbers from 1 on, got {[*getattr(self, name)]}."
                )
        if not all(0 < share < 1 for share in self.fractions):
            raise ValueError(
                f"fractions must lie between 0 and 1, got {[*self.fractions]}: 0.01 is 1 % of the "
                "labels. All of them are always fitted."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        return {
            "name": self.name,
            "k_grid": [*self.grid],
            "sweep": self.sweep,
            "layers": self.layers,
            "fractions": [*self.fractions],
            "shots": [*self.shots],
            "seeds": self.seeds,
        }


QUICK = Plan()
FULL = Plan(
    name="full",
    grid=GRID,
    sweep=True,
    epochs=50,
    layers=2,
    fractions=(0.01, 0.1),
    shots=(1, 5, 10),
    seeds=3,
    details=True,
    pixels=True,
)
PLANS: dict[Literal["quick", "full"], Plan] = {"quick": QUICK, "full": FULL}
