"""What every figure of an evaluation means, in a sentence or two each."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from sslkit.bootstrap import LEVEL, RESAMPLES
from sslkit.evaluation.few_labels import SINGLE_C, fraction_name, shot_name
from sslkit.evaluation.knn import CHOSEN_ON
from sslkit.evaluation.label_set_figures import RESAMPLES as MAP_RESAMPLES
from sslkit.evaluation.linear import GRID, HELD_OUT
from sslkit.evaluation.plan import QUICK, Plan
from sslkit.evaluation.protocol import RANDOM
from sslkit.evaluation.raw_pixels import SIDE
from sslkit.evaluation.sweep import HEADS

PIXELS = "raw pixels"
# How the row of a checkpoint begins that was the best by some figure of the training.
BEST = "best checkpoint"
# What messages and reports call the images that are scored.
SCORED = {"test": "test", "val": "validation"}
INTERVALS, SEEDS, REPRESENTATION = "intervals", "over_seeds", "representation"
MAP_INTERVALS = "map_intervals"


def describe_protocol(
    *,
    k: Sequence[int],
    temperature: float,
    seed: int,
    split: Literal["test", "val"] = "test",
    plan: Plan = QUICK,
    metric: Literal["top1", "mAP", "in_set"] = "top1",
    figures: Collection[str] | None = None,
    rows: Collection[str] = (RANDOM,),
) -> dict[str, str]:
    """What the figures and rows of a report mean.

    Args:
        k: Which numbers of neighbours vote.
        temperature: Of the kNN votes.
        seed: Of the held-out part and of the random weights.
        split: Which split of the data is scored, as test images.
        plan: What was measured beside.
        metric: ``top1``; ``in_set``, top-1 in the label set; or ``mAP`` of images with several
            classes.
        figures: The names of those that there are; None: those of every quick evaluation.
        rows: The names of the rows that need a word.

    Returns:
        A text under each name; first ``features``.
    """
    scored = SCORED[split]
    told = {
        **{f"knn_{count}": _vote(count, temperature, metric) for count in k},
        "knn": (
            f"One of the votes of k = {', '.join(map(str, sorted({*plan.grid, *k})))}, weighted so "
            f"or one vote each: the best on {HELD_OUT:.0%} of the training images (at most "
            f"{CHOSEN_ON:,}, stratified, seed {seed}), each classified by all the others."
        ),
        "linear": (
            "L2-regularised multinomial logistic regression (lbfgs) on features standardised by "
            f"the training images. Its C is the best of {GRID[0]:g} to {GRID[-1]:g} ({len(GRID)} "
            f"log-spaced values) on {HELD_OUT:.0%} of the training images, stratified, seed "
            f"{seed}; then refitted on all of them. {scored.capitalize()} images are only scored."
        ),
        **_heads(plan, seed, metric),
        **_few(plan, seed),
        **{f"{probe}_ece": _calibration(probe) for probe in ("linear", "sweep")},
    }
    wanted = [*(f"knn_{count}" for count in k), "linear"] if figures is None else figures
    return {
        "features": (
            "Pooled features of the frozen encoder in eval mode, float32; images resized and "
            f"centre-cropped to the encoder's size, normalised, not augmented. {_WHAT[metric]} on "
            f"the {scored} images"
            f"{'' if split == 'test' else ', as the data has no labelled test split'}."
            f"{_IN_SET if metric == 'in_set' else ''}"
        ),
        **{name: text for name, text in told.items() if name in wanted},
        **{name: text for name, text in _rows(seed, rows).items() if name in rows},
    }


def describe_more(*, seed: int, split: Literal["test", "val"], seeds: int) -> Mapping[str, str]:
    """What stands beside the figures: intervals, deviations, and the figures of the features."""
    scored = SCORED[split]
    return {
        INTERVALS: (
            f"{LEVEL:.0%} percentile bootstrap over the {scored} images "
            f"({RESAMPLES:,} resamples, seed {seed}): what other images of the kind could "
            "have given with the same encoder and probe; other training seeds vary on top."
        ),
        MAP_INTERVALS: (
            f"Of mAP, which is no mean over images, the same with {MAP_RESAMPLES} resamples."
        ),
        SEEDS: (
            f"Mean ± sample standard deviation over {seeds} probe seeds, {seed} to "
            f"{seed + seeds - 1}: of the held-out part, of the order of batches, and of which few "
            f"labels there are. The figure itself, its interval and its predictions are those of "
            f"seed {seed}."
        ),
        REPRESENTATION: (
            f"Of the {scored} images' features, without labels: alignment (mean squared distance "
            "of the unit features of two views, crops of 20 % to 100 % of the area that may be "
            "mirrored), uniformity, RankMe, effective rank, std (of unit rows, times the root of "
            "their width: 1 where all directions are used alike), sparsity. Ranks grow with the "
            "number of images: compare at equal numbers."
        ),
    }


def heading(name: str) -> str:
    """What a table calls a figure."""
    if found := re.fullmatch(r"knn_(\d+)", name):
        return f"kNN ({found[1]})"
    if found := re.fullmatch(r"linear_(.+)_percent", name):
        return f"linear, {found[1]} % of labels"
    if found := re.fullmatch(r"linear_(\d+)_shot", name):
        return f"linear, {found[1]}-shot"
    if found := re.fullmatch(r"top(\d+)", name):
        return f"top-{found[1]}"
    if name.endswith("_ece"):
        return f"calibration error, {heading(name.removesuffix('_ece'))}"
    return _HEADINGS.get(name, name)


_WHAT = {
    "top1": "Top-1 accuracy",
    "mAP": "Mean average precision over the classes",
    "in_set": "Top-1 accuracy in the label set",
}
_IN_SET = (
    " Training images have one class each, these have sets of classes: an image counts as right if "
    "the predicted class is one of its own, and images with an empty set are left out (ReaL, Beyer "
    "et al. 2020)."
)
_HEADINGS = {
    "knn": "kNN, chosen",
    "sweep": "linear heads",
    "sweep_best_epoch": "linear heads, best epoch",
    "sweep_in_set": "linear heads, top-1 in set",
    "sweep_variable_top_k": "linear heads, variable top-k",
    "linear_variable_top_k": "linear, variable top-k",
    SEEDS: "mean ± deviation",
    MAP_INTERVALS: "intervals of mAP",
}


def _vote(count: int, temperature: float, metric: str) -> str:
    vote = (
        f"Weighted kNN: the {count} training images with the highest cosine similarity vote "
        f"with weight exp(cos / {temperature:g})"
    )
    return f"{vote} for all their classes." if metric == "mAP" else f"{vote}."


def _heads(plan: Plan, seed: int, metric: str) -> dict[str, str]:
    rates = sorted({head.learning_rate for head in HEADS})
    decays = sorted({head.weight_decay for head in HEADS})
    layers = (
        ", on the encoder's output and on mean and maximum of its last "
        f"{'map' if plan.layers == 1 else f'{plan.layers} maps'}"
        if plan.layers
        else ""
    )
    loss = "sigmoid" if metric == "mAP" else "softmax"
    return {
        "sweep": (
            f"{len(HEADS)} linear heads trained side by side with SGD (momentum 0.9, cosine, "
            f"{loss} loss, batches of 256, {plan.epochs} epochs or as many as 1,000 steps take, no "
            f"augmentation): learning rates {_list(rates)}, weight decays "
            f"{_list(decays)}, with and without batch-norm{layers}. The best on {HELD_OUT:.0%} of "
            f"the training images (seed {seed}) is trained again on all of them, and scored after "
            "its last epoch."
        ),
        "sweep_best_epoch": (
            "The head and the epoch (of ten that were looked at) that did best on the held-out "
            "images, which it was not trained on. For comparison with evaluations that report a "
            "best epoch; the figure to report is that of the last one."
        ),
        "sweep_in_set": (
            "Share of the images with a class whose highest score is one of their classes (ReaL)."
        ),
        **dict.fromkeys(
            ("sweep_variable_top_k", "linear_variable_top_k"),
            "Mean share of an image's k classes among its k highest scores, over images with a "
            "class.",
        ),
    }


def _few(plan: Plan, seed: int) -> dict[str, str]:
    rest = (
        f"The same logistic regression on these alone, its C chosen on {HELD_OUT:.0%} of them "
        f"(C = {SINGLE_C:g} where no class has two)."
    )
    draw = f"drawn with seed {seed}. {rest}"
    texts = {
        fraction_name(share): f"{100 * share:g} % of the labels, as many of every class, {draw}"
        for share in plan.fractions
    }
    for shots in plan.shots:
        images = "image" if shots == 1 else "images"
        texts[shot_name(shots)] = f"{shots} {images} of every class, {draw}"
    return texts


def _calibration(probe: str) -> str:
    return (
        f"Expected calibration error of {heading(probe)}: mean distance of confidence and accuracy "
        "over 15 equal bins of the confidence; the lower the better. Without an interval, as "
        "resampled images have a larger error."
    )


def _rows(seed: int, rows: Collection[str]) -> dict[str, str]:
    best = (
        "The checkpoint of this run with the best value of the figure that it was saved by, not "
        "the last. If that figure was measured on the images scored here, this row is optimistic; "
        "the row to report is that of the last checkpoint."
    )
    return {
        **{row: best for row in rows if row.startswith(BEST)},
        RANDOM: (
            f"The same architecture with untrained weights, seed {seed}, and the same input "
            "normalisation; batch normalisation in eval mode with its initial statistics (mean 0, "
            "variance 1), as it is."
        ),
        PIXELS: (
            f"In place of features the pixels of the image, resized to at most {SIDE} x {SIDE}, "
            "normalised."
        ),
    }


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
