"""kNN over a grid of k, weighted and unweighted, from one pass; one of the grid chosen fairly.

N training images, M test images, F feature width, C classes, k neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sslkit.evaluation.features import Features
from sslkit.evaluation.held_out import held_out_rows
from sslkit.evaluation.metrics import top1_hits
from sslkit.evaluation.usable import check_classes, scored_rows, usable_rows
from sslkit.functional.checks import check_temperature
from sslkit.functional.knn import nearest_neighbours, vote_weights
from sslkit.seeding import counter_generator

GRID = (1, 5, 10, 20, 50, 100, 200)
WEIGHTS: tuple[Literal["weighted", "unweighted"], ...] = ("weighted", "unweighted")
# Training images that are searched for among the others, to choose a vote.
CHOSEN_ON = 10_000


class Vote(NamedTuple):
    """How the neighbours vote.

    Attributes:
        k: How many of them.
        weight: ``weighted``: exp(cosine / temperature) each. ``unweighted``: one vote each, and of
            classes with equal votes the first.
    """

    k: int
    weight: Literal["weighted", "unweighted"]


@dataclass(frozen=True, eq=False)
class KNNResult:
    """What the neighbours found.

    Attributes:
        accuracy: For each vote, the share of the test images that are classified rightly.
        predicted: For each vote, the predicted classes ``(M,)`` of the labelled test images.
        index: ``(M,)`` int64, which images these are: see `Features`.
        held_out: For each vote, the accuracy on a part of the training images, each classified by
            all the others.
        chosen: The vote that does best there; of a grid, its accuracy is the one to report.
        left_out: The values of k that are not smaller than the number of training images.
    """

    accuracy: dict[Vote, float]
    predicted: dict[Vote, Tensor]
    index: Tensor | None
    held_out: dict[Vote, float]
    chosen: Vote
    left_out: tuple[int, ...]


def knn_grid(
    train: Features,
    test: Features,
    *,
    seed: int,
    k: Sequence[int] = GRID,
    temperature: float = 0.07,
    device: torch.device | str = "cpu",
    name: str = "frozen",
) -> KNNResult:
    """Classify by nearest neighbours with every k of a grid, weighted and unweighted.

    The neighbours of an image are found once for the whole grid. At most 128 MB of cosines are
    held, and features are not copied where all are labelled, so they may be memory-mapped.

    Args:
        train: Features to search, one class an image; unlabelled ones are left out.
        test: Features to classify; they have no say in the choice. Of images with label sets any
            class of theirs is right, and those with an empty one are left out.
        seed: Of the training images on which the vote is chosen: a fifth, at most 10,000.
        k: How many neighbours vote.
        temperature: Of the weighted votes.
        device: Where the search runs; ``train`` must fit there.
        name: What messages call the encoder of the features.

    Returns:
        Accuracies, predictions and the chosen vote.

    Raises:
        ValueError: If there are no labels or several an image, a single class, no two images of any
            class, test classes or a feature width that training does not have, features that are
            not finite, no k that is smaller than the number of training images, or an argument out
            of range.
    """
    check_temperature(temperature)
    train = usable_rows(train, "training", name)
    test = scored_rows(train, test, name)
    check_classes(train.labels, test.labels)
    counts = sorted({count for count in k if count < len(train.labels)})
    if not counts or counts[0] < 1:
        raise ValueError(
            f"kNN with k={list(k)} needs values of at least 1, one of them smaller than the number "
            f"of labelled training images, {len(train.labels)}. Use smaller values of k or more "
            "training images."
        )
    own = held_out_rows(train.labels, seed).nonzero().flatten()
    own = own[torch.randperm(len(own), generator=counter_generator(seed))[:CHOSEN_ON]]
    bank, labels = train.features.to(device), train.labels.to(device)

    def predict(queries: Tensor, itself: Tensor | None) -> dict[Vote, Tensor]:
        return _predict(queries, bank, labels, itself, counts=counts, temperature=temperature)

    held_out = _accuracies(predict(train.features[own], own), train.labels[own])
    predicted = predict(test.features, None)
    return KNNResult(
        accuracy=_accuracies(predicted, test.labels),
        predicted=predicted,
        index=test.index,
        held_out=held_out,
        # Of equals, the first: weighted, and the fewest neighbours.
        chosen=max(held_out, key=held_out.__getitem__),
        left_out=tuple(count for count in k if count not in counts),
    )


def _predict(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    itself: Tensor | None,
    *,
    counts: Sequence[int],
    temperature: float,
) -> dict[Vote, Tensor]:
    """For each vote the classes ``(Q,)``; ``itself`` ``(Q,)`` are rows of the bank not to count."""
    classes = int(labels.max()) + 1
    # Filled in place: results that are kept between the temporaries would tear memory to pieces.
    found = {
        Vote(count, weight): torch.empty(len(queries), dtype=torch.int64)
        for weight in WEIGHTS
        for count in counts
    }
    # One more, as each finds itself.
    wanted = counts[-1] + (itself is not None)
    start = 0
    for cosine, index in nearest_neighbours(queries.to(bank.device), bank, k=wanted):
        rows = slice(start, start + len(index))
        start = rows.stop
        if itself is not None:
            cosine, index = _without(itself[rows].to(index.device), cosine, index)
        owner = labels[index]
        for weight in WEIGHTS:
            each = vote_weights(cosine, temperature if weight == "weighted" else None)
            votes, before = each.new_zeros(len(index), classes), 0
            for count in counts:
                ring = slice(before, count)
                votes.scatter_add_(1, owner[:, ring], each[:, ring])
                found[Vote(count, weight)][rows] = votes.argmax(dim=1).cpu()
                before = count
    return found


def _without(own: Tensor, cosine: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """``(c, k + 1)`` neighbours less the row itself, known by its number and not by its cosine."""
    keep = index != own.unsqueeze(1)
    # One that is not among its own neighbours (many copies of it are) leaves out the last of them.
    keep[:, -1] &= ~keep.all(dim=1)
    return cosine[keep].view(len(own), -1), index[keep].view(len(own), -1)


def _accuracies(predicted: dict[Vote, Tensor], labels: Tensor) -> dict[Vote, float]:
    return {
        vote: top1_hits(found, labels).double().mean().item() for vote, found in predicted.items()
    }
