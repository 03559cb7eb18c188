"""All probes of features whose training images have one class each.

N training images, M test images, F feature width, C classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sslkit.evaluation.class_details import ClassDetails, class_details
from sslkit.evaluation.features import Features
from sslkit.evaluation.few_labels import few_label_probes
from sslkit.evaluation.knn import KNNResult, Vote, knn_grid
from sslkit.evaluation.label_set_figures import LabelSetFigures, real_figures
from sslkit.evaluation.linear import LinearResult, linear_probes
from sslkit.evaluation.linear_limits import why_not_fitted
from sslkit.evaluation.metrics import OverSeeds, over_seeds
from sslkit.evaluation.plan import Plan
from sslkit.evaluation.scores import Scores
from sslkit.evaluation.sweep import SweepResult, linear_sweep
from sslkit.evaluation.usable import check_classes
from sslkit.functional import knn_scores
from sslkit.predictions import Predictions


def probe_classes(
    train: Features,
    test: Features,
    *,
    name: str,
    plan: Plan,
    layers: Mapping[str, int],
    k: Sequence[int],
    left_out: tuple[int, ...],
    temperature: float,
    seed: int,
    device: torch.device | str,
) -> Scores:
    """Score usable features; see `sslkit.evaluation.evaluate_features`.

    Args:
        train: Labelled and finite, of one class each; features of the layers side by side.
        test: Likewise; or with label sets ``(M, K)`` bool, none of them empty, of which any class
            is right.
        name: What the scores and the messages call the encoder.
        plan: What is measured beside.
        layers: Width of each layer; the first is the encoder's output.
        k: How many neighbours vote, each at most N.
        left_out: The values of k that are larger.
        temperature: Of the votes.
        seed: The first one of the probes.
        device: Where kNN and linear heads run.

    Raises:
        ValueError: If there is a single class, or a test class that no training image has.
    """
    check_classes(train.labels, test.labels)
    seeds = range(seed, seed + plan.seeds)
    width = next(iter(layers.values()))
    output, output_test = (
        Features(f.features[:, :width], f.labels, f.index) for f in (train, test)
    )
    votes = None
    if plan.grid:
        grid = sorted({*plan.grid, *k})
        votes = knn_grid(
            output,
            output_test,
            seed=seed,
            k=grid,
            temperature=temperature,
            device=device,
            name=name,
        )
    predicted = _knn(output, output_test, k, temperature, device, votes)
    notes: list[str] = []
    if votes is not None:
        predicted["knn"] = votes.predicted[votes.chosen].numpy()
        if votes.left_out:
            notes.append(
                f"knn is chosen without k = {', '.join(map(str, votes.left_out))}: there are only "
                f"{len(train.labels):,} labelled training images."
            )
    linear: list[LinearResult] = []
    refusal = why_not_fitted(len(train.labels), width, len(train.labels.unique()))
    if refusal is None:
        sides = [(f.features.numpy(), f.labels.numpy()) for f in (output, output_test)]
        linear = linear_probes(sides[0], sides[1], seeds=seeds)
        predicted["linear"] = _kept(linear[0].predicted)
    else:
        notes.append(
            f"linear (L-BFGS) is left out, as it {refusal}: sweep is the linear probe here."
        )
    sweeps: list[SweepResult] = []
    if plan.sweep or not linear:
        sweeps = [
            linear_sweep(
                train, test, seed=one, layers=layers, epochs=plan.epochs, device=device, name=name
            )
            for one in seeds
        ]
        predicted["sweep"] = sweeps[0].logits.argmax(dim=1).numpy()
    few, missing = few_label_probes(output, output_test, plan, seeds=seeds)
    predicted |= {figure: _kept(found.results[0].predicted) for figure, found in few.items()}
    index = torch.arange(len(test.labels)) if test.index is None else test.index
    predictions = Predictions(index.numpy(), test.labels.numpy(), predicted)
    several = test.labels.ndim == 2
    real: LabelSetFigures | None = None
    intervals: dict[str, tuple[float, float]] = {}
    if several:
        probe = "linear" if linear else "sweep"
        chances = linear[0].probabilities if linear else sweeps[0].logits
        real = real_figures(probe, torch.as_tensor(chances), test.labels, seed=seed)
        intervals = {f"{probe}_{name}": ends for name, ends in real.intervals.items()}
        if plan.details:
            notes.append(
                "Confusions, accuracies of single classes and calibration need one class an image, "
                "and are left out."
            )
    hits = predictions.hits()
    repeated = {figure: [one.accuracy for one in found.results] for figure, found in few.items()}
    repeated |= {"linear": [one.accuracy for one in linear], "sweep": [s.figure for s in sweeps]}
    return Scores(
        encoder=name,
        knn={count: float(hits[f"knn_{count}"].mean()) for count in k},
        linear=linear[0] if linear else None,
        n_train=len(train.labels),
        n_test=len(test.labels),
        num_classes=len(train.labels.unique()),
        feature_width=width,
        left_out=left_out,
        predictions=predictions,
        votes=votes,
        sweep=sweeps[0] if sweeps else None,
        few=few,
        over_seeds=spreads(repeated),
        details=_details(linear, sweeps, test) if plan.details and not several else {},
        notes=(*notes, *missing),
        metric="in_set" if several else "top1",
        label_sets=real,
        intervals=intervals,
    )


def spreads(repeated: Mapping[str, Sequence[float]]) -> dict[str, OverSeeds]:
    """Mean and deviation of each figure that there are several of."""
    return {figure: over_seeds(found) for figure, found in repeated.items() if len(found) > 1}


def _knn(
    train: Features,
    test: Features,
    k: Sequence[int],
    temperature: float,
    device: torch.device | str,
    votes: KNNResult | None,
) -> dict[str, NDArray[np.int64]]:
    """The classes by the weighted vote of each k, by the name of its figure."""
    known = {} if votes is None else votes.predicted
    found = {count: known[vote] for count in k if (vote := Vote(count, "weighted")) in known}
    missing = [count for count in k if count not in found]
    if missing:
        scores = knn_scores(
            test.features.to(device),
            train.features.to(device),
            train.labels.to(device),
            k=missing,
            num_classes=int(train.labels.max()) + 1,
            temperature=temperature,
        )
        found |= {count: scores[count].argmax(1).cpu() for count in missing}
    return {f"knn_{count}": found[count].numpy() for count in k}


def _details(
    linear: Sequence[LinearResult], sweeps: Sequence[SweepResult], test: Features
) -> dict[str, ClassDetails]:
    found: dict[str, ClassDetails] = {}
    if linear:
        sides = _kept(linear[0].predicted), _kept(linear[0].probabilities)
        found["linear"] = class_details(*sides, test.labels)
    if sweeps:
        logits = sweeps[0].logits
        chances = logits.double().softmax(dim=1)
        found["sweep"] = class_details(logits.argmax(dim=1), chances, test.labels)
    return found


def _kept(found: NDArray | None) -> NDArray:
    """What a probe that has just been fitted always keeps."""
    assert found is not None
    return found
