"""The evaluation as files and as a table: every figure with the protocol that gave it."""

import io
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sslkit._version import __version__
from sslkit.bootstrap import LEVEL, RESAMPLES, bootstrap_interval
from sslkit.evaluation.protocol import RANDOM, SCORED, Scores, describe_protocol
from sslkit.predictions import FILE, predictions_bytes
from sslkit.whole_file import whole_file

# Raised whenever a field of the JSON changes its meaning or goes away.
SCHEMA = 1
_LIBRARIES = ("torch", "torchvision", "timm", "scikit-learn", "numpy")
_TEXT_WIDTH = 88


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
        scores: One entry per encoder, from `evaluate_with_baseline`.
        seed: Of the evaluation.
        split: Which split of the data was scored: the test images, or where there are none the
            validation images.
        temperature: Of the kNN votes.
        versions: Library versions.
    """

    checkpoint: str
    data: dict[str, Any]
    scores: Sequence[Scores]
    seed: int
    split: Literal["test", "val"] = "test"
    temperature: float = 0.07
    versions: dict[str, str] = field(default_factory=library_versions)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; accuracies are shares from 0 to 1, unrounded."""
        first = self.scores[0]
        return {
            "version": SCHEMA,
            "checkpoint": self.checkpoint,
            "data": self.data,
            "split": SCORED[self.split],
            "n_train": first.n_train,
            "n_test": first.n_test,
            "num_classes": first.num_classes,
            "feature_width": first.feature_width,
            "seeds": {"held_out": self.seed, "random_initialisation": self.seed},
            "protocol": self._protocol(),
            "notes": self._notes(),
            "rows": [_row(scores) | self._intervals(scores) for scores in self.scores],
            "versions": self.versions,
        }

    def table(self) -> RenderableType:
        """The table with its protocol, for a rich console."""
        first = self.scores[0]
        # Above the table and not its title, which would be broken at the table's width.
        title = Text(f"Frozen features of {self.checkpoint}", style="bold", no_wrap=True)
        table = Table()
        table.add_column("encoder")
        for name in _figures(first):
            table.add_column(_heading(name), justify="right")
        for scores in self.scores:
            style = "dim" if scores.encoder == RANDOM else "bold"
            table.add_row(scores.encoder, *self._cells(scores), style=style)
        about = "; ".join(
            f"{name.replace('_', ' ')}: {f'{value:,}' if type(value) is int else value}"
            for name, value in self.data.items()
            if value is not None
        )
        scored = SCORED[self.split]
        lines = [
            f"{first.n_train:,} training and {first.n_test:,} {scored} images, "
            f"{first.num_classes} classes; {first.feature_width} features.",
            *self._notes(),
        ]
        caption = "\n".join([about, *lines] if about else lines)
        protocol = Table.grid(padding=(0, 2))
        for name, text in self._protocol().items():
            protocol.add_row(Text(_heading(name), style="bold"), Text(text))
        return Group(title, table, Text(caption), Padding(protocol, (1, 0, 0, 0)))

    def text(self) -> str:
        """The same as `table`, as plain text of at most 88 columns."""
        console = Console(
            file=io.StringIO(),
            width=_TEXT_WIDTH,
            color_system=None,
            force_terminal=False,
            legacy_windows=False,
        )
        with console.capture() as capture:
            console.print(self.table())
        return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"

    def write(self, folder: Path | str) -> tuple[Path, Path]:
        """Write ``evaluation.json`` and ``evaluation.txt``, each of them whole or not at all.

        Where the scores have them, ``predictions.npz`` too: what each scored image was taken for,
        see `sslkit.predictions`.

        Args:
            folder: Made where it is missing; earlier files of these names are replaced.

        Returns:
            The paths of the JSON and the text.

        Raises:
            OSError: If the folder cannot be written; the message names it.
        """
        folder = Path(folder)
        written, read = folder / "evaluation.json", folder / "evaluation.txt"
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        files = {written: text.encode(), read: self.text().encode()}
        predictions = {s.encoder: s.predictions for s in self.scores if s.predictions is not None}
        if predictions:
            files[folder / FILE] = predictions_bytes(predictions)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, content in files.items():
                with whole_file(path) as unfinished:
                    unfinished.write_bytes(content)
        except OSError as error:
            raise OSError(
                f"the evaluation cannot be written to the folder {folder} "
                f"({error.strerror or error}): choose another output folder."
            ) from error
        return written, read

    def _protocol(self) -> dict[str, str]:
        described = describe_protocol(
            k=list(self.scores[0].knn),
            temperature=self.temperature,
            seed=self.seed,
            split=self.split,
        )
        if any(scores.predictions is not None for scores in self.scores):
            described["intervals"] = (
                f"{LEVEL:.0%} percentile bootstrap over the {SCORED[self.split]} images "
                f"({RESAMPLES:,} resamples, seed {self.seed}): what other images of the kind could "
                "have given with the same encoder and probe; other training seeds vary on top."
            )
        return described

    def _intervals(self, scores: Scores) -> dict[str, Any]:
        """For each figure, the ends of its interval; nothing without predictions."""
        if scores.predictions is None:
            return {}
        hits = scores.predictions.hits()
        return {"intervals": {f: [*bootstrap_interval(hits[f], seed=self.seed)] for f in hits}}

    def _cells(self, scores: Scores) -> list[Text]:
        intervals = self._intervals(scores).get("intervals", {})
        cells: list[Text] = []
        for figure, value in _figures(scores).items():
            cell = Text(f"{100 * value:.1f} %")
            if figure in intervals:
                low, high = (100 * end for end in intervals[figure])
                cell.append(f"\n{low:.1f} – {high:.1f}", style="not bold dim")
            cells.append(cell)
        return cells

    def _notes(self) -> list[str]:
        first = self.scores[0]
        return [
            f"{_heading(f'knn_{k}')} is left out: there are only {first.n_train:,} labelled "
            "training images."
            for k in first.left_out
        ]


def _figures(scores: Scores) -> dict[str, float]:
    knn = {f"knn_{k}": accuracy for k, accuracy in scores.knn.items()}
    return {**knn, "linear": scores.linear.accuracy}


def _row(scores: Scores) -> dict[str, Any]:
    return {
        "encoder": scores.encoder,
        **_figures(scores),
        "linear_c": scores.linear.c,
        "linear_held_out": {f"{c:g}": value for c, value in scores.linear.held_out.items()},
    }


def _heading(name: str) -> str:
    return f"kNN ({name.removeprefix('knn_')})" if name.startswith("knn_") else name
