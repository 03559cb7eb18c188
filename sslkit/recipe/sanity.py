"""What fits together in a recipe and what does not, beyond the type of each value."""

from collections.abc import Iterator
from typing import Any

import torch

from sslkit.card import Card
from sslkit.counted import counted
from sslkit.methods import JointEmbedding
from sslkit.methods.branches import check_views
from sslkit.methods.classifier import Classifier
from sslkit.methods.optimisation import LEAST_FACTOR, highest_factor, optimiser_of
from sslkit.negatives import Plugin
from sslkit.nn import Queue
from sslkit.optim import Schedule, parameter_groups
from sslkit.recipe.scale import Scale, processes_of
from sslkit.recipe.shared import modules_outside


def card_faults(card: Card | None, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a card says something else than its config.

    Args:
        card: Of the recipe.
        config: Resolved.

    Yields:
        The card's key, or "" where there is no card, and what is wrong with it.
    """
    if card is None:
        yield (
            "",
            "there is no card: a recipe says under recipe: what it is and what to expect of it.",
        )
        return
    method = config["model"]["class_path"].rpartition(".")[2]
    if card.method != method:
        yield "method", f"is {card.method}, and model is a {method}: make them agree."
    seed = config["seed_everything"]
    if card.seed != seed or isinstance(seed, bool):  # false is no seed, and not the seed 0
        yield (
            "seed",
            f"is {card.seed}, and seed_everything is {seed}: make them agree, as the figures are "
            "those of the seed.",
        )
    if idle := set(card.trust).difference(modules_outside(config)):
        yield (
            "trust",
            f"names {', '.join(sorted(idle))}, and nothing in the recipe is of that module: leave "
            "it out.",
        )
    processes = processes_of(config["trainer"])
    if card.devices and processes and processes != card.devices:
        yield (
            "devices",
            f"is {card.devices}, and trainer.devices makes {counted(processes, 'process')}: make "
            "them agree, as the learning rate follows the global batch.",
        )


def run_faults(config: dict[str, Any], scale: Scale) -> Iterator[str]:
    """A run without an end, without a whole batch, or without a step.

    Args:
        config: Resolved.
        scale: Of the recipe.
    """
    if scale.total_steps is None and config["trainer"].get("max_time") is None:
        yield "the run has no end: set trainer.max_epochs (or max_steps) to at least 1."
    if scale.trained is not None and scale.trained < scale.compared:
        yield (
            f"data.limit leaves {counted(scale.trained, 'image')} to train on, and one batch has "
            f"{scale.compared}: lower data.batch_size or raise the limit."
        )
    elif scale.batches == 0:
        yield (
            f"trainer.limit_train_batches is {config['trainer']['limit_train_batches']}, so that "
            "no epoch has a batch and nothing is trained: raise it, or leave it out."
        )
    accumulated = config["trainer"].get("accumulate_grad_batches")
    if accumulated is not None and accumulated < 1:
        yield (
            f"trainer.accumulate_grad_batches must be at least 1, got {accumulated}: 1 takes a "
            "step after every batch."
        )


def model_faults(model: Any, scale: Scale) -> Iterator[str]:
    """What a method cannot do with a batch or a run of this size.

    Images are sent through the network on the meta device, where they have shapes and nothing else.

    Args:
        model: Built on the meta device.
        scale: Of the recipe.
    """
    if isinstance(model, Classifier):
        yield from _classifier_faults(model, scale)
    if not isinstance(model, JointEmbedding):
        return
    try:
        groups = parameter_groups(model, exclude_bias_and_norm=model.exclude_bias_and_norm)
        optimiser_of(model.optimizer, groups)
    except (ValueError, TypeError) as error:
        yield f"model.optimizer: {error}"
    try:
        _send_a_batch(model, scale.images)
    except (ValueError, TypeError, RuntimeError) as error:
        yield f"a batch of {counted(scale.images, 'image')} (data.batch_size): {error}"
    for queue in (module for module in model.modules() if isinstance(module, Queue)):
        if len(queue.rows) < scale.compared:
            yield (
                f"the queue holds {len(queue.rows)} embeddings, and every batch brings "
                f"{scale.compared} ({scale.processes} x {counted(scale.images, 'image')}), so that "
                "none outlives a step: make it a multiple of the batch."
            )
    if scale.total_steps is not None:
        yield from _time_faults(model, scale, scale.total_steps)


def _classifier_faults(model: Classifier, scale: Scale) -> Iterator[str]:
    model.make_head(2)  # how many classes there are is for the data to say
    try:
        optimiser_of(model.optimizer, model.parameter_groups())
    except (ValueError, TypeError) as error:
        yield f"model.optimizer: {error}"
    if scale.total_steps is not None:
        yield from _late_schedule(model.schedule, scale, scale.total_steps)


def _send_a_batch(model: JointEmbedding, images: int) -> None:
    channels = model.encoder.in_channels
    views = [torch.empty(images, channels, s, s, device="meta") for s in model.views.sizes]
    check_views(views, model)
    with torch.no_grad():
        _, online, _ = model.to("meta").embed(views)
    model.objective.check_batch(images, online.shape[-1])


def _time_faults(model: JointEmbedding, scale: Scale, steps: int) -> Iterator[str]:
    """What would come only after the end of the run."""
    yield from _late_schedule(model.schedule, scale, steps)
    length = scale.length(steps)
    for plugin in (module for module in model.modules() if isinstance(module, Plugin)):
        when = plugin.schedule
        start = when.start * (scale.steps_per_epoch if when.unit == "epochs" else 1)
        if start >= steps:
            yield (
                f"{type(plugin).__name__} acts from {when.unit[:-1]} {when.start:g} on, and the "
                f"run has {length}, so it never does: start it earlier, or leave it out."
            )


def _late_schedule(schedule: Schedule, scale: Scale, steps: int) -> Iterator[str]:
    reached = highest_factor(schedule, total_steps=steps, steps_per_epoch=scale.steps_per_epoch)
    if reached < LEAST_FACTOR:
        yield (
            f"model.schedule ({type(schedule).__name__}) reaches {reached:.0%} of the "
            f"learning rate in the run's {scale.length(steps)}: shorten the warm-up, or lengthen "
            "the run."
        )
