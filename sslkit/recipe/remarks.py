"""What in a recipe works, and yet is seldom what was meant: said, and no fault."""

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.optim import Adam, AdamW

from sslkit.counted import counted
from sslkit.methods import FineTune, JointEmbedding
from sslkit.methods.classifier import Classifier
from sslkit.methods.optimisation import optimiser_of
from sslkit.negatives import HardNegativeMixing
from sslkit.nn import Queue
from sslkit.nn.split_batch_norm import SplitBatchNorm2d
from sslkit.optim import MultiStep, Schedule, parameter_groups
from sslkit.recipe.scale import Scale

# From here on nobody's settings: the papers' temperatures are 0.05 to 1.
_TEMPERATURES = 0.01, 2.0
# Adam's step has the size of the rate, whatever the gradient; published rates end far below.
_ADAM_RATE = 0.1
# Lightning's, for debugging: what they do to a run.
_TRIALS = {
    "fast_dev_run": "runs a batch or few and keeps nothing: no checkpoint, no metrics",
    "overfit_batches": "trains on the same few batches again and again",
}


def run_remarks(config: dict[str, Any], scale: Scale) -> Iterator[str]:
    """What is unusual about a run, whatever is trained.

    Args:
        config: Resolved.
        scale: Of the recipe.
    """
    trainer = config["trainer"]
    for key, meaning in _TRIALS.items():
        if trainer.get(key):
            yield f"trainer.{key} is {trainer[key]}, which {meaning}: it is for debugging."
    clipped = trainer.get("gradient_clip_val")
    if clipped is not None and clipped < 0:
        yield f"trainer.gradient_clip_val is {clipped}, which clips nothing: use a number above 0."
    if scale.batches is not None and 0 < scale.batches < scale.accumulated:
        yield (
            f"trainer.accumulate_grad_batches is {scale.accumulated}, and an epoch has "
            f"{counted(scale.batches, 'batch')}: a step is taken at its end, with fewer "
            f"images than the {scale.global_batch} that the learning rate is scaled for."
        )


def model_remarks(model: Any, scale: Scale) -> Iterator[str]:
    """What is unusual about a method with a batch or a run of this size.

    Args:
        model: Built, on the meta device.
        scale: Of the recipe.
    """
    if isinstance(model, FineTune | JointEmbedding):
        yield from _batch_norm(model, scale.images)
    if isinstance(model, Classifier | JointEmbedding):
        yield from _schedule(model.schedule, scale)
    if not isinstance(model, JointEmbedding):
        return
    queues = [module for module in model.modules() if isinstance(module, Queue)]
    for queue in queues:
        yield from _queue(len(queue.rows), scale)
        for plugin in (m for m in model.modules() if isinstance(m, HardNegativeMixing)):
            if plugin.hardest > len(queue.rows):
                yield (
                    f"HardNegativeMixing mixes the hardest {plugin.hardest:,} of a queue of "
                    f"{len(queue.rows):,}, which is all of them: lower hardest."
                )
    yield from _momentum(model)
    yield from _temperature(model)
    yield from _rate(model, scale)


def _queue(size: int, scale: Scale) -> Iterator[str]:
    batch = scale.compared
    if size > batch and size % batch:
        below = size // batch * batch
        yield (
            f"the queue holds {size} embeddings, which is no multiple of the {batch} that a batch "
            f"brings ({scale.processes} x {counted(scale.images, 'image')}). It wraps exactly, so "
            f"that nothing is wrong; papers would take {below} or {below + batch}."
        )


def _momentum(model: JointEmbedding) -> Iterator[str]:
    if model.momentum is None:
        return
    if model.momentum.base == 1:
        yield "momentum is 1: the momentum branch stays as it was drawn, and never follows."
    elif model.momentum.base == 0 and model.momentum.schedule == "constant":
        yield "momentum is 0: the momentum branch is the online one of a step before."


def _temperature(model: JointEmbedding) -> Iterator[str]:
    temperature = getattr(model.objective, "temperature", None)
    low, high = _TEMPERATURES
    if isinstance(temperature, float | int) and not low <= temperature <= high:
        yield f"temperature is {temperature:g}; published ones lie between 0.05 and 1."


def _batch_norm(model: nn.Module, images: int) -> Iterator[str]:
    for module in model.modules():
        splits = module.splits if isinstance(module, SplitBatchNorm2d) else 1
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and images == splits:
            parts = f" in {splits} parts" if splits > 1 else ""
            yield (
                f"batch normalisation has the statistics of a single image (a batch of {images}"
                f"{parts}): use a larger batch{' or fewer bn_splits' if parts else ''}."
            )
            return


def _schedule(schedule: Schedule, scale: Scale) -> Iterator[str]:
    if not isinstance(schedule, MultiStep) or scale.epochs is None:
        return
    late = [str(epoch) for epoch in schedule.milestones if epoch >= scale.epochs]
    if late:
        yield (
            f"model.schedule steps down at epoch {', '.join(late)}, and the run has "
            f"{counted(scale.epochs, 'epoch')}, so that it never does."
        )


def _rate(model: JointEmbedding, scale: Scale) -> Iterator[str]:
    optimiser = optimiser_of(model.optimizer, parameter_groups(model, exclude_bias_and_norm=False))
    if isinstance(optimiser, Adam | AdamW) and scale.lr is not None and scale.lr > _ADAM_RATE:
        yield (
            f"the effective learning rate of {type(optimiser).__name__} is {scale.lr:g}: published "
            "rates for it are below 0.01, and those for SGD or LARS too large for it."
        )
