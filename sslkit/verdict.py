"""Whether a run reaches the figures of a card: figure by figure, and in one word."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sslkit.card import Card, Figure
from sslkit.recipe.measured import figures_of

SCHEMA = 1
Outcome = Literal["within", "below", "no tolerance", "not measured", "other images"]
# How many images a protocol says that it reads: "10,240 training", "20 validation".
_COUNT = re.compile(r"(\d[\d,]*) (\w+)(?= images\b| and \d)")
# What a protocol begins with that is of the same images as the one before it on the card.
_REFERS = "the same features"
_NAMED = 8  # settings that a sentence lists
# Exit codes of `sslkit reproduce`; 1 is an error and 2 is for a command that is not understood.
_CODES = {"reproduced": 0, "not reproduced": 3, "nothing to compare with": 4}


@dataclass(frozen=True)
class Compared:
    """One figure of a card beside the run's, in percent.

    Attributes:
        metric: What is measured.
        expected: As the card has it; None of a figure that it does not have.
        tolerance: In percentage points, or None where the card has none.
        measured: By the run; None of what its evaluation does not measure.
        outcome: ``within`` the tolerance, or higher; ``below`` it; or why it cannot be said, of
            which ``other images`` is that another number of them was read, or another split.
        expected_protocol: As the card has it.
        measured_protocol: As the evaluation has it.
    """

    metric: str
    expected: float | None
    tolerance: float | None
    measured: float | None
    outcome: Outcome
    expected_protocol: str | None
    measured_protocol: str | None

    @property
    def difference(self) -> float | None:
        """Measured less expected, in percentage points."""
        if self.expected is None or self.measured is None:
            return None
        return round(self.measured - self.expected, 2)


@dataclass(frozen=True)
class Verdict:
    """What comes out of it.

    Attributes:
        recipe: As the user named it.
        card: Its card.
        run: Folder of the run.
        figures: Those of the card, then those that only the run has.
        there: Environment in which the card's figures were measured; empty where not known.
        here: That of the run.
        options: Of the run, beside the recipe.
        changed: Settings in which the run differs from the recipe.
    """

    recipe: str
    card: Card
    run: str
    figures: tuple[Compared, ...]
    there: Mapping[str, Any]
    here: Mapping[str, Any]
    options: Sequence[str] = ()
    changed: Sequence[str] = ()

    @property
    def word(self) -> str:
        """``reproduced`` if a figure can be compared and none is below its tolerance."""
        outcomes = {figure.outcome for figure in self.figures if figure.expected is not None}
        if "below" in outcomes:
            return "not reproduced"
        return "reproduced" if "within" in outcomes else "nothing to compare with"

    @property
    def code(self) -> int:
        """Exit code: 0 reproduced, 3 not, 4 nothing to compare with."""
        return _CODES[self.word]

    def sentence(self) -> str:
        """The verdict in words."""
        if not self.changed:
            return self._outcome()
        more = len(self.changed) - _NAMED
        others = ", ".join(self.changed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"{self._outcome()} The run had other settings than the recipe: {others}."

    def _outcome(self) -> str:
        if self.word == "reproduced":
            return "Reproduced: every figure that can be compared is within the card's tolerance."
        if self.word == "not reproduced":
            below = [figure.metric for figure in self.figures if figure.outcome == "below"]
            return f"Not reproduced: {', '.join(below)} below the card's tolerance."
        if not self.card.expected:
            return (
                f"No figures to compare with: the card ({self.card.status}) has none, so this run "
                "says what it gave and not whether that is right."
            )
        return (
            f"Nothing to compare with: no figure of the card ({self.card.status}) has a tolerance "
            "and is measured by this evaluation, on as many images."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures in percent."""
        return {
            "version": SCHEMA,
            "recipe": self.recipe,
            "verdict": self.word,
            "run": self.run,
            "options": [*self.options],
            "changed": [*self.changed],
            "figures": [{**asdict(f), "difference": f.difference} for f in self.figures],
            "card": self.card.plain(),
            "environment": {"expected": dict(self.there), "measured": dict(self.here)},
        }

    def table(self) -> RenderableType:
        """The figures beside each other, for a rich console."""
        table = Table("figure", "card", "tolerance", "this run", "difference", "")
        for column in table.columns[1:5]:
            column.justify = "right"
        for figure in self.figures:
            style = {"within": "green", "below": "bold red"}.get(figure.outcome, "dim")
            table.add_row(
                Text(figure.metric),
                _percent(figure.expected),
                "" if figure.tolerance is None else f"-{figure.tolerance:g}",
                _percent(figure.measured),
                "" if figure.difference is None else f"{figure.difference:+.2f}",
                Text(figure.outcome if figure.expected is not None else "", style=style),
            )
        title = Text(f"{self.recipe}: {self.word}", style="bold")
        if not self.card.expected:
            return Group(title, table)
        ran = f"; they ran on {self.card.hardware}" if self.card.hardware else ""
        return Group(title, table, Text(f"The card's figures are {self.card.status}{ran}."))


def compared(
    card: Card,
    evaluation: Mapping[str, Any],
    *,
    recipe: str,
    run: str,
    there: Mapping[str, Any],
    here: Mapping[str, Any],
    options: Sequence[str] = (),
    changed: Sequence[str] = (),
) -> Verdict:
    """Compare a run's evaluation with a card.

    Args:
        card: Of the recipe that was run.
        evaluation: The content of the run's ``evaluation.json``.
        recipe: What the user called it.
        run: The run's folder.
        there: Environment of the card's figures.
        here: Environment of the run.
        options: Of the run, beside the recipe.
        changed: Settings in which the run differs from the recipe.

    Raises:
        ValueError: If the evaluation is not one.
    """
    measured = {figure.metric: figure for figure in figures_of(evaluation)}
    figures = [
        _compare(figure, measured.get(figure.metric), images)
        for figure, images in zip(card.expected, _images(card.expected), strict=True)
    ]
    promised = {figure.metric for figure in card.expected}
    figures += [
        Compared(f.metric, None, None, f.value, "no tolerance", None, f.protocol)
        for f in measured.values()
        if f.metric not in promised
    ]
    return Verdict(recipe, card, run, tuple(figures), there, here, options, changed)


def _images(figures: Sequence[Figure]) -> list[str]:
    """The protocol that says which images each figure is of: its own, or the one it refers to."""
    texts: list[str] = []
    for figure in figures:
        refers = (
            bool(texts) and figure.protocol.startswith(_REFERS) and not _counts(figure.protocol)
        )
        texts.append(texts[-1] if refers else figure.protocol)
    return texts


def _compare(expected: Figure, found: Figure | None, images: str) -> Compared:
    outcome: Outcome
    if found is None:
        outcome = "not measured"
    elif not _same_images(images, found.protocol):
        outcome = "other images"
    elif expected.tolerance is None:
        outcome = "no tolerance"
    else:
        # Both are rounded to hundredths; half of one is no difference.
        within = found.value >= expected.value - expected.tolerance - 0.005
        outcome = "within" if within else "below"
    return Compared(
        metric=expected.metric,
        expected=expected.value,
        tolerance=expected.tolerance,
        measured=None if found is None else found.value,
        outcome=outcome,
        expected_protocol=expected.protocol,
        measured_protocol=None if found is None else found.protocol,
    )


def _same_images(expected: str, found: str) -> bool:
    """Whether two protocols read as many images of each split, as far as both say it."""
    here, there = _counts(expected), _counts(found)
    scored = [{*counts} - {"training"} for counts in (here, there)]
    if all(scored) and scored[0] != scored[1]:
        return False
    return all(there[split] == count for split, count in here.items() if split in there)


def _counts(protocol: str) -> dict[str, int]:
    return {split: int(count.replace(",", "")) for count, split in _COUNT.findall(protocol)}


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} %"
