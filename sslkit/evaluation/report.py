"""The evaluation as files and as a table: every figure with the protocol that gave it."""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from rich.console import RenderableType

from sslkit._version import __version__
from sslkit.evaluation.plan import QUICK, Plan
from sslkit.evaluation.protocol_text import (
    INTERVALS,
    MAP_INTERVALS,
    REPRESENTATION,
    SCORED,
    SEEDS,
    describe_more,
    describe_protocol,
    heading,
)
from sslkit.evaluation.report_row import report_row
from sslkit.evaluation.report_table import report_table, report_text
from sslkit.evaluation.scores import Scores
from sslkit.predictions import FILE, predictions_bytes
from sslkit.whole_file import whole_file

# Raised whenever a field of the JSON changes its meaning or goes away.
SCHEMA = 1
_LIBRARIES = ("torch", "torchvision", "timm", "scikit-learn", "numpy")


def library_versions(*more: str) -> dict[str, str]:
    """The versions of everything that a figure may depend on.

    Args:
        *more: Distributions beside those that every evaluation depends on.

    Returns:
        A version for each name, ``unknown`` where that distribution is not installed.
    """
    versions = {"python": platform.python_version(), "sslkit": __version__}
    for name in (*_LIBRARIES, *more):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


@dataclass(frozen=True)
class Report:
    """What an evaluation found, how, and with what.

    Attributes:
        checkpoint: The checkpoint that was evaluated.
        data: What says which images they were, plain values under names of your choice: a path,
            limits. The table writes them as they are and passes over None.
        scores: One entry per encoder, from `evaluate_features`; the first is the one to report.
        seed: Of the evaluation.
        split: Which split of the data was scored: the test images, or where there are none the
            validation images.
        temperature: Of the kNN votes.
        versions: Library versions.
        plan: What was measured.
        classes: Names of the classes, where they are known.
    """

    checkpoint: str
    data: dict[str, Any]
    scores: Sequence[Scores]
    seed: int
    split: Literal["test", "val"] = "test"
    temperature: float = 0.07
    versions: dict[str, str] = field(default_factory=library_versions)
    plan: Plan = QUICK
    classes: Sequence[str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; shares from 0 to 1, unrounded.

        See `sslkit.evaluation.report_schema` for all keys.
        """
        first = self.scores[0]
        rows = [report_row(scores, seed=self.seed) for scores in self.scores]
        named = self.classes is not None and self.plan.details
        return {
            "version": SCHEMA,
            "checkpoint": self.checkpoint,
            "data": self.data,
            "split": SCORED[self.split],
            "n_train": first.n_train,
            "n_test": first.n_test,
            **({"n_empty": first.n_empty} if first.metric == "in_set" else {}),
            "num_classes": first.num_classes,
            "feature_width": first.feature_width,
            "metric": first.metric,
            "seeds": {"held_out": self.seed, "random_initialisation": self.seed},
            "plan": self.plan.to_dict(),
            "protocol": self._protocol(rows),
            "notes": self._notes(),
            **({"classes": [*self.classes]} if named and self.classes else {}),
            "rows": rows,
            "versions": self.versions,
        }

    def table(self) -> RenderableType:
        """The table with its protocol, for a rich console."""
        return report_table(self.to_dict())

    def text(self) -> str:
        """The same as `table`, as plain text of at most 88 columns."""
        return report_text(self.to_dict())

    def write(self, folder: Path | str) -> tuple[Path, Path]:
        """Write ``evaluation.json`` and ``evaluation.txt``, each of them whole or not at all.

        Where the scores have them, ``predictions.npz`` too: what each scored image was taken for,
        see `sslkit.predictions`.

        Args:
            folder: Made where it is missing; earlier files of these names are replaced, and earlier
            predictions removed where there are none.

        Returns:
            The paths of the JSON and the text.

        Raises:
            OSError: If the folder cannot be written; the message names it.
        """
        folder = Path(folder)
        written, read = folder / "evaluation.json", folder / "evaluation.txt"
        content = self.to_dict()
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        files = {written: text.encode(), read: report_text(content).encode()}
        predictions = {s.encoder: s.predictions for s in self.scores if s.predictions is not None}
        if predictions:
            files[folder / FILE] = predictions_bytes(predictions)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not predictions:
                (folder / FILE).unlink(missing_ok=True)  # of an earlier evaluation
            for path, content in files.items():
                with whole_file(path) as unfinished:
                    unfinished.write_bytes(content)
        except OSError as error:
            raise OSError(
                f"the evaluation cannot be written to the folder {folder} "
                f"({error.strerror or error}): choose another output folder."
            ) from error
        return written, read

    def _protocol(self, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
        """A text for each figure that there is, and for what stands beside the figures."""
        figures = {name for scores in self.scores for name in scores.figures()}
        described = describe_protocol(
            k=list(self.scores[0].knn),
            temperature=self.temperature,
            seed=self.seed,
            split=self.split,
            plan=self.plan,
            metric=self.scores[0].metric,
            figures=figures,
            rows=[scores.encoder for scores in self.scores],
        )
        more = describe_more(seed=self.seed, split=self.split, seeds=self.plan.seeds)
        there = {key for row in rows for key in (INTERVALS, SEEDS, REPRESENTATION) if key in row}
        if self.scores[0].metric == "mAP" and INTERVALS in there:
            there.add(MAP_INTERVALS)
        return described | {name: text for name, text in more.items() if name in there}

    def _notes(self) -> list[str]:
        first = self.scores[0]
        left_out = [
            f"{heading(f'knn_{k}')} is left out: there are only {first.n_train:,} labelled "
            "training images."
            for k in first.left_out
        ]
        if first.n_empty:
            left_out.append(
                f"{first.n_empty:,} of {first.n_empty + first.n_test:,} {SCORED[self.split]} "
                "images have an empty label set and are left out."
            )
        # What is left out of all rows is said once.
        return [*left_out, *dict.fromkeys(note for one in self.scores for note in one.notes)]
