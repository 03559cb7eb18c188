"""The evaluation protocol: kNN and linear probes on frozen features, beside a random encoder.

The test set is only ever scored: neighbours, standardisation and all that is chosen come from the
training set.

N images, F feature width, C classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from sslkit.evaluation.class_probes import probe_classes
from sslkit.evaluation.features import Features, extract_features
from sslkit.evaluation.label_set_probes import probe_label_sets
from sslkit.evaluation.plan import QUICK, Plan
from sslkit.evaluation.scores import Scores
from sslkit.evaluation.usable import check_kinds, scored_rows, usable_rows
from sslkit.nn import Encoder
from sslkit.nn.layers import OUTPUT

PRETRAINED = "pretrained"
RANDOM = "random initialisation"


def evaluate_encoder(
    encoder: Encoder,
    train_loader: Iterable[Any],
    test_loader: Iterable[Any],
    *,
    seed: int,
    device: torch.device | str = "cpu",
    k: Sequence[int] = (20, 200),
    temperature: float = 0.07,
    name: str = PRETRAINED,
    plan: Plan = QUICK,
) -> Scores:
    """Extract the features once, then score them by kNN and by linear probes.

    Args:
        encoder: Moved to ``device`` and left there.
        train_loader: Labelled images that are searched and fitted; unlabelled ones are left out.
        test_loader: Labelled images to score.
        seed: Of the training images that are held out to choose on, and of what else is drawn.
        device: Where the encoder, the kNN and the linear heads run.
        k: How many neighbours vote, one score each. Values larger than the number of labelled
            training images are left out.
        temperature: Of the kNN votes.
        name: What the scores and the messages call this encoder.
        plan: What is measured beside; the encoder's output is the only layer.

    Returns:
        The scores.

    Raises:
        ValueError: If training or test images have no labels, there are fewer training images than
            every k or a single class, a test class is not among the training classes, or features
            are not finite.
    """
    return evaluate_features(
        extract_features(encoder, train_loader, device=device),
        extract_features(encoder, test_loader, device=device),
        seed=seed,
        device=device,
        k=k,
        temperature=temperature,
        name=name,
        plan=plan,
    )


def evaluate_features(
    train: Features,
    test: Features,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    k: Sequence[int] = (20, 200),
    temperature: float = 0.07,
    name: str = PRETRAINED,
    plan: Plan = QUICK,
    layers: Mapping[str, int] | None = None,
) -> Scores:
    """Score features that have been extracted; see `evaluate_encoder`.

    Args:
        train: Of the images that are searched and fitted: one class an image, or several.
        test: Of the images to score: of the same kind; or where training images have one class,
            label sets, any class of which is right. Images with an empty set are then left out, as
            in ReaL.
        seed: Of the training images that are held out to choose on, and of what else is drawn.
        device: Where the kNN and the linear heads run.
        k: How many neighbours vote, one score each.
        temperature: Of the kNN votes.
        name: What the scores and the messages call the encoder of the features.
        plan: What is measured beside.
        layers: Where features of several layers stand side by side, the width of each, see
            `sslkit.nn.LayeredEncoder`. The linear heads choose among them; all else sees the first,
            the encoder's output.

    Returns:
        The scores, with the predictions where images have one class.

    Raises:
        ValueError: See `evaluate_encoder`.
    """
    layers = {OUTPUT: train.features.shape[1]} if layers is None else layers
    train = usable_rows(train, "training", name, multi_label=True)
    usable = tuple(count for count in k if count <= len(train.labels))
    if not usable:
        raise ValueError(
            f"kNN with k={list(k)} needs at least one k and as many labelled training images, and "
            f"there are {len(train.labels)}. Use smaller values of k or more training images."
        )
    check_kinds(train.labels, test.labels)
    there, test = len(test.labels), scored_rows(train, test, name)
    probe = probe_classes if train.labels.ndim == 1 else probe_label_sets
    scores = probe(
        train,
        test,
        name=name,
        plan=plan,
        layers=layers,
        k=usable,
        left_out=tuple(count for count in k if count not in usable),
        temperature=temperature,
        seed=seed,
        device=device,
    )
    return scores if scores.metric != "in_set" else replace(scores, n_empty=there - scores.n_test)
