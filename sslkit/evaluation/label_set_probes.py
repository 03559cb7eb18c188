"""All probes of features whose images have several classes each, scored by mAP.

N training images, M test images, F feature width, K classes.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sslkit.evaluation.class_probes import spreads
from sslkit.evaluation.features import Features
from sslkit.evaluation.label_set_figures import map_figures, sweep_figures
from sslkit.evaluation.plan import Plan
from sslkit.evaluation.scores import Scores
from sslkit.evaluation.sweep import linear_sweep
from sslkit.functional.knn import nearest_neighbours, vote_weights


def probe_label_sets(
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

    The linear heads are always trained: they are the one linear probe that there is here.

    Args:
        train: Finite, labels ``(N, K)`` bool; features of the layers side by side.
        test: Likewise.
        name: What the scores and the messages call the encoder.
        plan: What is measured beside. Choosing k and parts that are balanced by class need one
            class an image and are left out.
        layers: Width of each layer; the first is the encoder's output.
        k: How many neighbours vote, each at most N.
        left_out: The values of k that are larger.
        temperature: Of the votes.
        seed: The first one of the probes.
        device: Where kNN and linear heads run.

    Raises:
        ValueError: If no image has a class, or heads cannot be trained; see `linear_sweep`.
    """
    width = next(iter(layers.values()))
    output, output_test = (Features(f.features[:, :width], f.labels) for f in (train, test))
    sets = knn_set_scores(output, output_test, k=k, temperature=temperature, device=device)
    votes = {count: map_figures(found, test.labels, seed=seed) for count, found in sets.items()}
    sweeps = [
        linear_sweep(
            train, test, seed=one, layers=layers, epochs=plan.epochs, device=device, name=name
        )
        for one in range(seed, seed + plan.seeds)
    ]
    chosen = sweep_figures(sweeps[0], test.labels, seed=seed)
    intervals = {
        f"knn_{count}": found.intervals["mAP"] for count, found in votes.items() if found.intervals
    }
    for figure, interval in chosen.intervals.items():
        intervals["sweep" if figure == "mAP" else f"sweep_{figure}"] = interval
    balanced = bool(plan.grid or plan.fractions or plan.shots)
    note = (
        "The choice among kNN votes and the parts of the labels need one class an image, and are "
        "left out."
    )
    return Scores(
        encoder=name,
        knn={count: found.figures["mAP"] for count, found in votes.items()},
        linear=None,
        n_train=len(train.labels),
        n_test=len(test.labels),
        num_classes=train.labels.shape[1],
        feature_width=width,
        left_out=left_out,
        metric="mAP",
        sweep=sweeps[0],
        over_seeds=spreads({"sweep": [one.figure for one in sweeps]}),
        label_sets=chosen,
        intervals=intervals,
        notes=(note,) if balanced else (),
    )


def knn_set_scores(
    train: Features,
    test: Features,
    *,
    k: Sequence[int],
    temperature: float,
    device: torch.device | str,
) -> Mapping[int, Tensor]:
    """The share of the neighbours' weighted votes that each class gets.

    A neighbour votes for all its classes with weight exp(cosine / temperature).

    Args:
        train: Features to search, labels ``(N, K)`` bool.
        test: Features to score.
        k: How many neighbours vote, 1 to N.
        temperature: Of the votes.
        device: Where the search runs.

    Returns:
        For each k, ``(M, K)``, 0 to 1.
    """
    queries, bank = test.features.to(device), train.features.to(device)
    labels = train.labels.to(device)
    dtype = torch.promote_types(bank.dtype, torch.float32)
    found = {count: torch.empty(len(queries), labels.shape[1], dtype=dtype) for count in k}
    start = 0
    for cosine, index in nearest_neighbours(queries, bank, k=max(k)):
        weight = vote_weights(cosine, temperature)
        for count, scores in found.items():
            own = weight[:, :count] / weight[:, :count].sum(1, keepdim=True)
            votes = own.unsqueeze(1) @ labels[index[:, :count]].to(own.dtype)
            scores[start : start + len(index)] = votes.squeeze(1).cpu()
        start += len(index)
    return found
