"""From a recipe's base rate to an optimiser and a schedule per step, and a line that says so."""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from sslkit.counted import counted
from sslkit.optim import LRScaling, Schedule, scaled_lr

# A schedule that reaches less of the learning rate was most likely meant for a longer run.
LEAST_FACTOR = 0.9

OptimizerFactory = Callable[[Iterable], Optimizer]


def global_batch_size(trainer: pl.Trainer) -> int:
    """Images per optimiser step: over ranks and accumulated batches; images, not views.

    Raises:
        ValueError: If neither the data module nor the training loader says its batch size.
    """
    size = getattr(getattr(trainer, "datamodule", None), "batch_size", None)
    if size is None:
        epoch_steps(trainer)  # attaches the loader
        size = getattr(trainer.train_dataloader, "batch_size", None)
    if not isinstance(size, int):
        raise ValueError(
            "lr_scaling needs the batch size and the training loader does not tell it: pass a "
            "DataLoader with a batch_size, or set lr_scaling='none' and base_lr to the final rate."
        )
    return size * trainer.world_size * trainer.accumulate_grad_batches


def total_steps(trainer: pl.Trainer) -> int:
    """Optimiser steps of the whole run.

    Raises:
        ValueError: If the run has no end, or no step.
    """
    steps = trainer.estimated_stepping_batches
    if math.isinf(steps) or steps < 1:
        raise ValueError(
            f"the schedule needs to know the number of optimiser steps and got {steps}: set the "
            "trainer's max_epochs or max_steps to at least 1."
        )
    return int(steps)


def epoch_steps(trainer: pl.Trainer) -> int:
    """Optimiser steps of one epoch.

    Raises:
        ValueError: If an epoch has no end.
    """
    if trainer.train_dataloader is None:  # with max_steps alone, nobody has asked for it yet
        trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if math.isinf(batches):
        raise ValueError(
            "the schedule counts in epochs and the training loader does not tell its length: set "
            "the trainer's limit_train_batches to the number of batches that make an epoch."
        )
    return math.ceil(batches / trainer.accumulate_grad_batches)


def effective_lr(trainer: pl.Trainer, base_lr: float, rule: LRScaling) -> float:
    """The scaled rate, and one line that shows base, rule, batch and result."""
    total_steps(trainer)
    if rule == "none":
        rank_zero_info(f"Learning rate: base {base_lr:g}, not scaled, effective {base_lr:g}.")
        return base_lr
    batch = global_batch_size(trainer)
    lr = scaled_lr(base_lr, batch, rule)
    formula = {"linear": f"x {batch}/256", "sqrt": f"x sqrt({batch})"}[rule]
    rank_zero_info(
        f"Learning rate: base {base_lr:g} {formula} ({rule} in the global batch of {batch} images) "
        f"= effective {lr:g}."
    )
    return lr


def optimiser_and_schedule(
    trainer: pl.Trainer,
    optimiser: Optimizer,
    lr: float,
    schedule: Schedule,
    *,
    bias_lr_ratio: float = 1.0,
) -> dict[str, Any]:
    """What Lightning's ``configure_optimizers`` returns; the schedule steps with the optimiser.

    Args:
        trainer: Of this run.
        optimiser: From `optimiser_of`. A group's ``lr_scale`` multiplies its rate.
        lr: Learning rate of the weights, already scaled.
        schedule: The factor on every group's rate at each optimiser step.
        bias_lr_ratio: The excluded parameters' rate is this times ``lr``.
    """
    steps, steps_per_epoch = total_steps(trainer), epoch_steps(trainer)
    for group in optimiser.param_groups:
        ratio = bias_lr_ratio if group.get("excluded") else 1.0
        group["lr"] = lr * ratio * group.get("lr_scale", 1.0)
    _announce(optimiser, steps, bias_lr_ratio)

    def factor(step: int) -> float:
        return schedule.factor(step, total_steps=steps, steps_per_epoch=steps_per_epoch)

    highest = highest_factor(schedule, total_steps=steps, steps_per_epoch=steps_per_epoch)
    if highest < LEAST_FACTOR:
        rank_zero_warn(
            f"In {counted(steps, 'step')} the schedule reaches {highest:.0%} of the learning rate: "
            "shorten its warm-up (model.schedule.warmup_epochs) or lengthen the run."
        )
    scheduler = LambdaLR(optimiser, factor)
    return {
        "optimizer": optimiser,
        "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
    }


def optimiser_of(factory: OptimizerFactory, groups: Iterable[dict[str, Any]]) -> Optimizer:
    """The optimiser of some parameters, before its learning rate is set.

    Args:
        factory: Builds the optimiser from parameter groups.
        groups: See `sslkit.optim.parameter_groups`.

    Raises:
        ValueError: If the optimiser was given a learning rate of its own, which nothing would read.
    """
    optimiser = factory(groups)
    default = inspect.signature(type(optimiser)).parameters["lr"].default
    given = optimiser.defaults["lr"]
    if given != default:
        raise ValueError(
            f"the optimiser was given lr={given}, which would not be used: base_lr, lr_scaling and "
            "the schedule decide. Remove it, and set base_lr (with lr_scaling none, if it is the "
            "final rate)."
        )
    return optimiser


def highest_factor(schedule: Schedule, *, total_steps: int, steps_per_epoch: int) -> float:
    """How much of the learning rate a schedule reaches in a run, over some 1000 of its steps.

    Up to where the run ends, after its last step: in 3 epochs of a warm-up of 10 it is 30 % however
    many steps an epoch has, so that a recipe's check, which may not know that, says the same.
    """
    steps = [*range(0, total_steps, max(1, total_steps // 1000)), total_steps]
    # As if there was one step more: beyond the end of a run a schedule is at its final value.
    return max(
        schedule.factor(step, total_steps=total_steps + 1, steps_per_epoch=steps_per_epoch)
        for step in steps
    )


def check_bias_lr_ratio(ratio: float, exclude_bias_and_norm: bool) -> None:
    """Refuse a ratio that is not above 0, or that no group of parameters would take.

    Raises:
        ValueError: Says which of the two.
    """
    if not (math.isfinite(ratio) and ratio > 0):
        raise ValueError(f"bias_lr_ratio must be above 0, got {ratio}: 1 is the weights' rate.")
    if ratio != 1 and not exclude_bias_and_norm:
        raise ValueError(
            f"bias_lr_ratio={ratio} needs biases and normalisation in a group of their own: set "
            "exclude_bias_and_norm=True, or leave bias_lr_ratio at 1."
        )


def _announce(optimiser: Optimizer, steps: int, ratio: float) -> None:
    excluded = sum(len(g["params"]) for g in optimiser.param_groups if g.get("excluded"))
    total = sum(len(g["params"]) for g in optimiser.param_groups)
    rate = "" if ratio == 1 else f", {ratio:g} x the learning rate on the others"
    least = min(g.get("lr_scale", 1.0) for g in optimiser.param_groups)
    rate += "" if least == 1 else f", down to {least:.3g} x the learning rate in the first layer"
    decay = max(g.get("weight_decay", 0.0) for g in optimiser.param_groups)
    rank_zero_info(
        f"Optimiser: {type(optimiser).__name__} for {counted(steps, 'step')}, weight decay "
        f"{decay:g} on {total - excluded} of {total} tensors{rate}."
    )
