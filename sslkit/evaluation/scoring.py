"""The whole evaluation of an encoder on a data module: features once, rows, report, pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from sslkit.data import Batch, ImageDataModule, as_batch
from sslkit.evaluation.feature_cache import cached_features
from sslkit.evaluation.features import Extractor, Features, extract_features, frozen
from sslkit.evaluation.pictures import write_pictures
from sslkit.evaluation.plan import QUICK, Plan
from sslkit.evaluation.protocol import PRETRAINED, RANDOM, evaluate_features
from sslkit.evaluation.protocol_text import PIXELS
from sslkit.evaluation.raw_pixels import RawPixels
from sslkit.evaluation.real_labels import real_label_sets
from sslkit.evaluation.report import Report
from sslkit.evaluation.representation import describe_features
from sslkit.evaluation.scores import Scores
from sslkit.nn import Encoder, LayeredEncoder

Fitted = Literal["train", "train_and_held_out"]
Scored = Literal["test", "val"]
# Images that show which layers differ.
_EXAMPLES = 4


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate_on` found, and what pictures of it are drawn from.

    Attributes:
        report: The report.
        encoder: The encoder of its first row.
        loaders: Of the images that were fitted, and of those that were scored.
        features: For each row, the encoder's output for both; empty unless they were kept.
        classes: Names of the classes, or None.
        device: Where the encoder runs.
    """

    report: Report
    encoder: Encoder
    loaders: tuple[Any, Any]
    features: Mapping[str, tuple[Features, Features]]
    classes: list[str] | None
    device: torch.device | str

    def draw(self, folder: Path | str) -> list[Path]:
        """Write the pictures of `sslkit.evaluation.write_pictures`.

        Args:
            folder: Made where it is missing.

        Raises:
            OSError: If they cannot be written.
            ValueError: If the features were not kept.
        """
        if not self.features:
            raise ValueError("pictures are drawn from features: evaluate with keep=True.")
        (train, test), *others = self.features.values()
        names = [scores.encoder for scores in self.report.scores[1:]]
        return write_pictures(
            folder,
            self.encoder,
            train=(self.loaders[0], train),
            test=(self.loaders[1], test),
            scores=self.report.scores[0],
            others={name: pair[1] for name, pair in zip(names, others, strict=True)},
            classes=self.classes,
            seed=self.report.seed,
            device=self.device,
        )


def evaluate_on(
    encoder: Encoder,
    data: ImageDataModule,
    *,
    name: str,
    seed: int,
    device: torch.device | str,
    limits: tuple[int | None, int | None] = (None, None),
    plan: Plan = QUICK,
    best: Mapping[str, Encoder] | None = None,
    cache: Path | str | None = None,
    keep: bool = False,
    real_labels: Path | str | None = None,
) -> Evaluation:
    """Run the protocol on an encoder's features, beside those of untrained ones.

    Scored are the test images; without any, those of a validation split of the data's own; without
    that, those that were held out of training. Fitted are all other labelled images.

    Args:
        encoder: The encoder.
        data: Labelled images.
        name: What the report calls the checkpoint.
        seed: Of the held-out part, of the random encoder, and of what else is drawn.
        device: Where features are extracted.
        limits: At most so many images to fit and to score; None takes all.
        plan: What is measured.
        best: Further encoders of the same run under the names of their rows.
        cache: Folder of `sslkit.evaluation.cached_features`; None keeps features in memory, those
            of one encoder at a time unless ``keep`` is set.
        keep: Whether pictures will be drawn.
        real_labels: A file of label sets to score by, see `sslkit.evaluation.real_labels`; the
            images to score need no labels then.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a split or its labels are missing, the features cannot be scored, or the file
            does not fit.
    """
    data.setup("test")
    sets = None
    if real_labels is None:
        fitted, scored = splits_to_score(data) or ("train", "test")  # it says what is missing
    else:
        fitted, scored = "train_and_held_out", _split_of_its_own(data)
        sets = real_label_sets(data, scored, real_labels)
    loaders = data.eval_dataloader(fitted, limits[0]), data.eval_dataloader(scored, limits[1])
    candidates = {PRETRAINED: encoder, **(best or {}), RANDOM: encoder.reinitialised(seed)}
    rows: dict[str, Encoder | RawPixels] = dict(candidates)
    if plan.pixels:
        rows[PIXELS] = RawPixels(encoder)
    scores: list[Scores] = []
    kept: dict[str, tuple[Features, Features]] = {}
    for row, candidate in rows.items():
        if plan.details:
            print(f"Evaluating: {row} ({len(scores) + 1} of {len(rows)}) ...", flush=True)
        net, layers = layered(candidate, plan, loaders[0], device)
        train, test = (_features(net, loader, cache, device) for loader in loaders)
        if sets is not None:
            assert test.index is not None  # of a loader of the data module
            test = replace(test, labels=sets[test.index])
        found = evaluate_features(
            train, test, seed=seed, device=device, name=row, plan=plan, layers=layers
        )
        train, test = (_columns(f, found.feature_width) for f in (train, test))
        if plan.details:
            how = describe_features(candidate, loaders[1], test, seed=seed, device=device)
            found = replace(found, representation=how)
        scores.append(found)
        if keep:
            kept[row] = train, test
        del train, test  # there may be gigabytes of them
    about = {"data": data.description}
    about |= {"at most train images": limits[0], "at most test images": limits[1]}
    about |= {} if real_labels is None else {"label sets": str(real_labels)}
    report = Report(
        checkpoint=name,
        data=about,
        scores=scores,
        seed=seed,
        split=scored,
        plan=plan,
        classes=data.classes,
    )
    return Evaluation(report, encoder, loaders, kept, data.classes, device)


def splits_to_score(data: ImageDataModule) -> tuple[Fitted, Scored] | None:
    """What a probe is fitted on, and what is scored; None without labelled images to score.

    Args:
        data: After its setup.
    """
    scored = data.evaluation_split()
    if scored is not None:
        return "train_and_held_out", scored
    return ("train", "val") if data.labelled and "val" in data.splits() else None


def _split_of_its_own(data: ImageDataModule) -> Scored:
    """What label sets of a file are of: images that no training has seen, labelled or not."""
    split = data.evaluation_split() or data.evaluation_split(labelled=False)
    if split is None:
        raise ValueError(
            "a file of label sets is of test images, or of a validation split of its own, and the "
            f"data has only {', '.join(data.splits())}"
            f"{'' if data.labelled else ', without labels to fit a probe on'}."
        )
    return split


def layered(
    candidate: Encoder | RawPixels, plan: Plan, loader: Any, device: torch.device | str
) -> tuple[Extractor, Mapping[str, int] | None]:
    """What gives the features that a plan asks for, and the widths of the layers in them.

    Args:
        candidate: The encoder; its training flags are put back.
        plan: Its layers.
        loader: Of images, the first of which show which layers differ.
        device: Where the encoder runs.
    """
    if not plan.layers or isinstance(candidate, RawPixels):
        return candidate, None
    batch = as_batch(next(iter(loader)))
    assert isinstance(batch, Batch)  # of a loader of the data module
    with frozen(candidate, device):
        net = LayeredEncoder(candidate, plan.layers, batch.image[:_EXAMPLES])
    return net, net.widths


def _features(
    net: Extractor, loader: Any, cache: Path | str | None, device: torch.device | str
) -> Features:
    if cache is None:
        return extract_features(net, loader, device=device)
    return cached_features(net, loader, folder=cache, device=device)


def _columns(features: Features, width: int) -> Features:
    return replace(features, features=features.features[:, :width])
