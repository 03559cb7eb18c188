"""The evaluation protocol: kNN and a linear probe on frozen features, beside a random encoder.

The test set is only ever scored: neighbours, standardisation and the linear probe's penalty come
from the training set.

N images, F feature width, C classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from sslkit.evaluation.features import Features, extract_features
from sslkit.evaluation.linear import GRID, HELD_OUT, LinearResult, linear_probe
from sslkit.evaluation.usable import check_classes, usable_rows
from sslkit.functional import knn_scores
from sslkit.nn import Encoder
from sslkit.predictions import Predictions

PRETRAINED = "pretrained"
RANDOM = "random initialisation"
# What messages and reports call the images that are scored.
SCORED = {"test": "test", "val": "validation"}


@dataclass(frozen=True)
class Scores:
    """How good one encoder's frozen features are; accuracies are shares of the test images, 0 to 1.

    Attributes:
        encoder: Which encoder, in words.
        knn: For each k, up to ``n_train``, the accuracy of the weighted kNN vote.
        linear: What the linear probe found.
        n_train: Labelled training images.
        n_test: Labelled test images.
        num_classes: Classes among the training labels.
        feature_width: F.
        left_out: The values of k that were asked for and are larger than ``n_train``.
        predictions: What each test image was taken for, by the name of the figure (``knn_20``,
            ``linear``), where it is kept; not compared.
    """

    encoder: str
    knn: dict[int, float]
    linear: LinearResult
    n_train: int
    n_test: int
    num_classes: int
    feature_width: int
    left_out: tuple[int, ...] = ()
    predictions: Predictions | None = field(default=None, compare=False, repr=False)


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
) -> Scores:
    """Extract the features once, then score them by kNN and by the linear probe.

    Args:
        encoder: Moved to ``device`` and left there.
        train_loader: Labelled images that are searched and fitted; unlabelled ones are left out.
        test_loader: Labelled images to score.
        seed: Of the training images that are held out to choose the linear probe's penalty.
        device: Where the encoder and the kNN run.
        k: How many neighbours vote, one score each. Values larger than the number of labelled
            training images are left out.
        temperature: Of the kNN votes.
        name: What the scores and the messages call this encoder.

    Returns:
        The scores.

    Raises:
        ValueError: If training or test images have no labels or several classes each, there are
            fewer training images than every k or a single class, a test class is not among the
            training classes, or features are not finite.
    """
    return evaluate_features(
        extract_features(encoder, train_loader, device=device),
        extract_features(encoder, test_loader, device=device),
        seed=seed,
        device=device,
        k=k,
        temperature=temperature,
        name=name,
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
) -> Scores:
    """Score features that have been extracted; see `evaluate_encoder`.

    Args:
        train: Of the images that are searched and fitted.
        test: Of the images to score.
        seed: Of the training images that are held out to choose the linear probe's penalty.
        device: Where the kNN runs.
        k: How many neighbours vote, one score each.
        temperature: Of the kNN votes.
        name: What the scores and the messages call the encoder of the features.

    Returns:
        The scores, with the predictions.

    Raises:
        ValueError: See `evaluate_encoder`.
    """
    train = usable_rows(train, "training", name)
    usable = [count for count in k if count <= len(train.labels)]
    if not usable:
        raise ValueError(
            f"kNN with k={list(k)} needs at least one k and as many labelled training images, and "
            f"there are {len(train.labels)}. Use smaller values of k or more training images."
        )
    test = usable_rows(test, "test", name)
    check_classes(train.labels, test.labels)
    votes = knn_scores(
        test.features.to(device),
        train.features.to(device),
        train.labels.to(device),
        k=usable,
        num_classes=int(train.labels.max()) + 1,
        temperature=temperature,
    )
    linear = linear_probe(
        (train.features.numpy(), train.labels.numpy()),
        (test.features.numpy(), test.labels.numpy()),
        seed=seed,
    )
    predicted = {f"knn_{count}": votes[count].argmax(1).cpu().numpy() for count in usable}
    if linear.predicted is not None:
        predicted["linear"] = linear.predicted
    index = torch.arange(len(test.labels)) if test.index is None else test.index
    predictions = Predictions(index.numpy(), test.labels.numpy(), predicted)
    hits = predictions.hits()
    return Scores(
        encoder=name,
        knn={count: float(hits[f"knn_{count}"].mean()) for count in usable},
        linear=linear,
        n_train=len(train.labels),
        n_test=len(test.labels),
        num_classes=len(train.labels.unique()),
        feature_width=train.features.shape[1],
        left_out=tuple(count for count in k if count not in usable),
        predictions=predictions,
    )


def evaluate_with_baseline(
    encoder: Encoder,
    train_loader: Iterable[Any],
    test_loader: Iterable[Any],
    *,
    seed: int,
    device: torch.device | str = "cpu",
    k: Sequence[int] = (20, 200),
    temperature: float = 0.07,
) -> list[Scores]:
    """Score an encoder and, by the same protocol, the same architecture at random initialisation.

    Args:
        encoder: The pretrained encoder; see `evaluate_encoder` for this and the other arguments.
        train_loader: Read once for each of the two encoders.
        test_loader: Likewise.
        seed: Of the held-out part and of the random weights.
        device: See `evaluate_encoder`.
        k: See `evaluate_encoder`.
        temperature: See `evaluate_encoder`.

    Returns:
        The scores of the pretrained and of the random encoder.

    Raises:
        ValueError: See `evaluate_encoder`.
    """
    return [
        evaluate_encoder(
            candidate,
            train_loader,
            test_loader,
            seed=seed,
            device=device,
            k=k,
            temperature=temperature,
            name=name,
        )
        for name, candidate in with_baseline(encoder, seed).items()
    ]


def with_baseline(encoder: Encoder, seed: int) -> dict[str, Encoder]:
    """An encoder and the same architecture at random initialisation, under the names of their rows.

    Args:
        encoder: The pretrained encoder.
        seed: Of the random weights.
    """
    return {PRETRAINED: encoder, RANDOM: encoder.reinitialised(seed)}


def describe_protocol(
    *, k: Sequence[int], temperature: float, seed: int, split: Literal["test", "val"] = "test"
) -> dict[str, str]:
    """What every figure of `evaluate_with_baseline` means, in one sentence or two each.

    Args:
        k: Which numbers of neighbours vote.
        temperature: Of the kNN votes.
        seed: Of the held-out part and of the random weights.
        split: Which split of the data is scored, as test images.
    """
    scored = SCORED[split]
    knn = {
        f"knn_{count}": (
            f"Weighted kNN: the {count} training images with the highest cosine similarity vote "
            f"with weight exp(cos / {temperature:g})."
        )
        for count in k
    }
    return {
        "features": (
            "Pooled features of the frozen encoder in eval mode, float32; images resized and "
            "centre-cropped to the encoder's size, normalised, not augmented. Top-1 accuracy on "
            f"the {scored} images"
            f"{'.' if split == 'test' else ', as the data has no labelled test split.'}"
        ),
        **knn,
        "linear": (
            "L2-regularised multinomial logistic regression (lbfgs) on features standardised by "
            f"the training images. Its C is the best of {GRID[0]:g} to {GRID[-1]:g} ({len(GRID)} "
            f"log-spaced values) on {HELD_OUT:.0%} of the training images, stratified, seed "
            f"{seed}; then refitted on all of them. {scored.capitalize()} images are only scored."
        ),
        RANDOM: (
            f"The same architecture with untrained weights, seed {seed}, and the same input "
            "normalisation; batch normalisation in eval mode with its initial statistics (mean 0, "
            "variance 1), as it is."
        ),
    }
