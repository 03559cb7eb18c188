"""A sweep of linear probes trained in one pass over the features, and one of them reported.

Chosen on a held-out fifth of the training images, trained again on all of them, scored once.

N training images, M test images, F feature width, H heads, C classes.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from sslkit.evaluation.features import Features
from sslkit.evaluation.head_training import count_epochs, train_heads
from sslkit.evaluation.heads import Head, LinearHeads
from sslkit.evaluation.held_out import held_out_rows
from sslkit.evaluation.label_sets import mean_average_precision
from sslkit.evaluation.metrics import top1_hits
from sslkit.evaluation.usable import check_classes, check_kinds, scored_rows, usable_rows
from sslkit.nn.layers import OUTPUT

HEADS = tuple(
    Head(*values)
    for values in itertools.product((0.001, 0.003, 0.01, 0.03, 0.1), (0.0, 1e-2), (False, True))
)
# How often the held-out part is read while the heads are trained, to find the best epoch.
_LOOKS = 10
# Logits held at once while rows are scored, 16 MB of them.
_HELD = 4_000_000


@dataclass(frozen=True)
class BestEpoch:
    """The head and epoch that did best on the held-out part; never saw that part in training.

    Attributes:
        head: Which.
        epoch: After how many epochs.
        held_out: Its figure on the held-out part.
        figure: Its figure on the test images.
    """

    head: Head
    epoch: int
    held_out: float
    figure: float


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What the sweep found. The figure to report is `figure`: that of the last epoch.

    Attributes:
        metric: ``top1``, a share of the test images; ``in_set``, the same where these have label
            sets and training images one class; or ``mAP`` of images with several classes.
        figure: Of the chosen head, trained on all training images to its last epoch.
        head: The chosen head, the best on the held-out part at the last epoch.
        logits: ``(M, C)`` of the chosen head, on the labelled test images in their order.
        index: ``(M,)`` int64, which images these are: see `Features`.
        held_out: For each head, its figure on the held-out part at the last epoch; 0 if it
            diverged.
        best: What picking the best epoch as well would have given.
        epochs: How many there were in the last training.
    """

    metric: Literal["top1", "mAP", "in_set"]
    figure: float
    head: Head
    logits: Tensor
    index: Tensor | None
    held_out: dict[Head, float]
    best: BestEpoch
    epochs: int


def linear_sweep(
    train: Features,
    test: Features,
    *,
    seed: int,
    heads: Sequence[Head] = HEADS,
    layers: Mapping[str, int] | None = None,
    epochs: int = 50,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    name: str = "frozen",
) -> SweepResult:
    """Train linear probes of many settings at once, choose one, score it.

    SGD with momentum 0.9, the learning rate falling to 0 along a cosine, no augmentation. For heads
    without batch-norm the features are divided by one number, their root mean square over the rows
    that are fitted (of each layer), so that a learning rate means the same for features of any
    scale. Memory is that of the features plus a few batches, so they may be memory-mapped; images
    with several classes take the logits of all heads on the held-out part as well.

    Args:
        train: Features to fit, with one class an image or several; unlabelled ones are left out.
        test: Features to score; they are read after everything is fitted. Where they have label
            sets and training images one class, any class of a set is right, and images with an
            empty one are left out.
        seed: Of the held-out part, which is `linear_probe`'s, and of the order of the batches.
        heads: The settings to choose from, each once.
        layers: Where features of several layers stand side by side, the width of each under its
            name, in order, see `sslkit.nn.LayeredEncoder`: every head is trained on every layer.
            None: one layer.
        epochs: Passes over the training images; more where they would be under 1,000 steps.
        batch_size: Images in a step, at least 2.
        device: Where the heads are trained; batches are moved there.
        name: What messages call the encoder of the features.

    Returns:
        The figure, the chosen head, its logits, and how every head did on the held-out part.

    Raises:
        ValueError: If there are no labels, a single class, no two images of any class, test classes
            or a feature width that training does not have, features that are not finite, no heads,
            an argument out of range, or all heads diverge.
    """
    _check_settings(heads, epochs, batch_size)
    layers = {OUTPUT: train.features.shape[1]} if layers is None else dict(layers)
    heads = [head._replace(layer=layer) for layer in layers for head in heads]
    train = usable_rows(train, "training", name, multi_label=True)
    test = scored_rows(train, test, name)
    _check_pair(train, test, layers)
    held = held_out_rows(train.labels, seed)
    fitted, held_rows = (mask.nonzero().flatten() for mask in (~held, held))

    def trained(
        given: Features, widths: Mapping[str, int], rows: Tensor, these: Sequence[Head]
    ) -> Iterator[tuple[int, LinearHeads]]:
        length = count_epochs(len(rows), epochs=epochs, batch_size=batch_size)
        how = {"epochs": length, "batch_size": batch_size, "seed": seed, "device": device}
        return train_heads(given, rows, these, widths=widths, **how)

    length = count_epochs(len(fitted), epochs=epochs, batch_size=batch_size)
    looks = {math.ceil(length * look / _LOOKS) for look in range(1, _LOOKS + 1)}
    figures: dict[Head, float] = {}
    best: tuple[float, int, LinearHeads] | None = None
    for epoch, swept in trained(train, layers, fitted, heads):
        if epoch not in looks:
            continue
        found = _figures(swept, train, held_rows, device)
        figures = dict(zip(swept.heads, found, strict=True))
        top = max(range(len(found)), key=found.__getitem__)
        if best is None or found[top] > best[0]:
            best = found[top], epoch, swept.only(top)
    if best is None or not max(figures.values()) > 0:
        raise ValueError(
            f"every one of the {len(heads)} linear heads diverged or got nothing right: use "
            "smaller learning rates and weight decays."
        )
    # Of equals, one with batch-norm, which hangs less on its learning rate; the most regularised.
    head = max(figures, key=lambda h: (figures[h], h.batch_norm, h.weight_decay, -h.learning_rate))
    own, own_test = (_columns(features, layers, head.layer) for features in (train, test))
    width = {head.layer: layers[head.layer]}
    *_, (last, final) = trained(own, width, torch.arange(len(held)), [head])
    logits = _logits(final, own_test.features, device)
    best_logits = _logits(best[2], test.features, device)
    several = train.labels.ndim == 2
    return SweepResult(
        metric="mAP" if several else "top1" if test.labels.ndim == 1 else "in_set",
        figure=_figure(logits, test.labels, several),
        head=head,
        logits=logits,
        index=test.index,
        held_out=figures,
        best=BestEpoch(
            best[2].heads[0], best[1], best[0], _figure(best_logits, test.labels, several)
        ),
        epochs=last,
    )


def _figures(
    heads: LinearHeads, features: Features, rows: Tensor, device: torch.device | str
) -> list[float]:
    """Of every head on some rows; 0 where it diverged."""
    several = features.labels.ndim == 2
    shape = (len(heads.heads), len(rows))
    # Filled in place: results that are kept between the temporaries would tear memory to pieces.
    if several:
        found = torch.empty(*shape, features.labels.shape[1], dtype=heads.dtype)
    else:
        found = torch.empty(shape, dtype=torch.int64)
    start = 0
    for part in rows.split(max(1, _HELD // heads.outputs)):
        given = features.features.index_select(0, part)
        logits = heads.logits(given.to(device, heads.dtype))
        own = logits.transpose(1, 2) if several else logits.argmax(dim=1)
        found[:, start : start + len(part)] = own.cpu()
        start += len(part)
    return [
        _figure(of_head, features.labels[rows], several) if finite else 0.0
        for of_head, finite in zip(found, heads.finite(), strict=True)
    ]


def _figure(found: Tensor, labels: Tensor, several: bool) -> float:
    """Top-1 of ``(n,)`` classes or ``(n, C)`` logits; mAP of logits where heads learned sets."""
    if several:
        return mean_average_precision(found, labels)
    return top1_hits(found, labels).double().mean().item()


def _columns(features: Features, layers: Mapping[str, int], layer: str) -> Features:
    """Those of one layer, not copied."""
    parts = features.features.split(list(layers.values()), dim=1)
    return replace(features, features=dict(zip(layers, parts, strict=True))[layer])


def _logits(heads: LinearHeads, features: Tensor, device: torch.device | str) -> Tensor:
    """``(M, C)`` of a single head."""
    parts = features.split(max(1, _HELD // heads.outputs))
    found = [heads.logits(part.to(device, heads.dtype))[0].T.cpu() for part in parts]
    return torch.cat(found)


def _check_settings(heads: Sequence[Head], epochs: int, batch_size: int) -> None:
    if not heads or len(set(heads)) < len(heads):
        raise ValueError(f"linear_sweep() needs heads to choose from, each once, got {heads}.")
    wrong = [h for h in heads if not (0 < h.learning_rate < math.inf and h.weight_decay >= 0)]
    if wrong:
        raise ValueError(
            "linear_sweep() needs learning rates above 0 and weight decays of at least 0, got "
            f"{wrong[0]}."
        )
    if epochs < 1 or batch_size < 2:
        raise ValueError(
            "linear_sweep() needs at least 1 epoch and 2 images in a batch, got "
            f"epochs={epochs}, batch_size={batch_size}."
        )


def _check_pair(train: Features, test: Features, layers: Mapping[str, int]) -> None:
    if train.features.shape[1] != sum(layers.values()):
        raise ValueError(
            f"features are {train.features.shape[1]} wide, and the widths of the layers in them, "
            f"{layers}, add up to {sum(layers.values())}."
        )
    if train.features.shape[1] != test.features.shape[1]:
        raise ValueError(
            f"training features are {train.features.shape[1]} wide and test features "
            f"{test.features.shape[1]}: both must come from one encoder."
        )
    check_kinds(train.labels, test.labels)
    if train.labels.ndim == 1:
        check_classes(train.labels, test.labels)
