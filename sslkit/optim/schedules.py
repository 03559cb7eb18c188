"""How the learning rate moves over a run, and how it grows with the batch.

A schedule is a factor on the scaled learning rate, evaluated at every optimiser step.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

LRScaling = Literal["linear", "sqrt", "none"]
"""How a base learning rate grows with the batch, see `scaled_lr`."""


class Schedule(ABC):
    """The factor by which the learning rate is multiplied at a step."""

    @abstractmethod
    def factor(self, step: int, *, total_steps: int, steps_per_epoch: int) -> float:
        """The factor in force while optimiser step ``step`` is taken.

        Args:
            step: Optimiser steps already taken, from 0.
            total_steps: Optimiser steps of the whole run.
            steps_per_epoch: Optimiser steps of one epoch.

        Returns:
            A number, 0 or more.
        """


class Constant(Schedule):
    """The learning rate as given, from the first step to the last."""

    def factor(self, step: int, *, total_steps: int, steps_per_epoch: int) -> float:
        """1 at every step."""
        del step, total_steps, steps_per_epoch
        return 1.0


class WarmupCosine(Schedule):
    """Linear warm-up, then half a cosine down, per step or per epoch.

    With t the step, T the total and T_w = warmup_epochs · steps_per_epoch: s + (1-s) · t/T_w for
    t < T_w, then f + (1-f) · ½(1 + cos(π (t-T_w)/(T-T_w))), with s the start and f the final
    fraction. By default the first step has factor 0, as in the code of SimCLR, BYOL, MoCo v3 and
    Barlow Twins: it moves nothing, and where the optimiser has momentum the second step then takes
    both gradients. In a long warm-up nobody sees that; in one of a few dozen steps a start above 0,
    such as 1/T_w, may be better. A run shorter than its warm-up never leaves it. With ``per_epoch``
    the cosine keeps all through an epoch the value of that epoch's first step, as in MoCo v1 and
    v2; the warm-up stays per step. Loshchilov and Hutter, "SGDR", 2017, equation 5,
    https://arxiv.org/abs/1608.03983; Goyal et al., 2017, https://arxiv.org/abs/1706.02677.

    Args:
        warmup_epochs: Length of the warm-up in epochs, 0 or more; fractions are allowed.
        final_fraction: f in [0, 1], where the cosine ends; Barlow Twins uses 0.001.
        per_epoch: Move the cosine once an epoch.
        start_fraction: s in [0, 1], where the warm-up begins.

    Raises:
        ValueError: If an argument lies outside its range.
    """

    def __init__(
        self,
        warmup_epochs: float = 10.0,
        final_fraction: float = 0.0,
        per_epoch: bool = False,
        start_fraction: float = 0.0,
    ) -> None:
        if not (math.isfinite(warmup_epochs) and warmup_epochs >= 0):
            raise ValueError(
                f"warmup_epochs must be a finite number, 0 or more, got {warmup_epochs}. "
                "Use 0 for no warm-up."
            )
        if not 0 <= final_fraction <= 1:
            raise ValueError(
                f"final_fraction must lie between 0 and 1, got {final_fraction}: it is the part of "
                "the learning rate that is left at the end. Use 0 to end at 0."
            )
        if not 0 <= start_fraction <= 1:
            raise ValueError(
                f"start_fraction must lie between 0 and 1, got {start_fraction}: it is the part of "
                "the learning rate with which the warm-up begins. Use 0 to begin at 0."
            )
        self.warmup_epochs = warmup_epochs
        self.final_fraction = final_fraction
        self.per_epoch = per_epoch
        self.start_fraction = start_fraction

    def factor(self, step: int, *, total_steps: int, steps_per_epoch: int) -> float:
        """The factor at a step; the final fraction from ``total_steps`` on.

        Args:
            step: Optimiser steps already taken, from 0.
            total_steps: T, optimiser steps of the whole run.
            steps_per_epoch: Optimiser steps of one epoch.

        Returns:
            A number in [0, 1].

        Raises:
            ValueError: If the length of the run is not known.
        """
        if not (math.isfinite(total_steps) and total_steps > 0):
            raise ValueError(
                f"total_steps must be a finite number above 0, got {total_steps}: a cosine needs "
                "to know where it ends. Set max_epochs or max_steps, or use the Constant schedule."
            )
        if step >= total_steps:
            return self.final_fraction
        warmup = self.warmup_epochs * steps_per_epoch
        if step < warmup:
            return self.start_fraction + (1 - self.start_fraction) * step / warmup
        # A warm-up may end inside an epoch; the cosine does not start before its end.
        since = step // steps_per_epoch * steps_per_epoch if self.per_epoch else step
        progress = max(0, since - warmup) / (total_steps - warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final_fraction + (1 - self.final_fraction) * cosine


class MultiStep(Schedule):
    """Steps down at given epochs, after an optional linear warm-up.

    From each milestone on, the factor is multiplied by gamma: MoCo v1 has a tenth at epochs 120 and
    160 of 200 (He et al., 2020, https://arxiv.org/abs/1911.05722), W-MSE a fifth 50 and 25 epochs
    before the end after a warm-up of 500 steps (Ermolov et al., 2021,
    https://arxiv.org/abs/2007.06346). With t the step, the warm-up multiplies by (t+1)/T_w while
    t < T_w, as in W-MSE's code, so that the first step moves too.

    A milestone before the run's start or after its end is never reached, so that a short trial of a
    long recipe keeps the full rate.

    Args:
        milestones: Epochs, counted from 0; a negative one counts from the end, -50 is 50 before it.
        gamma: Factor at each milestone, in (0, 1].
        warmup_steps: T_w, optimiser steps of the warm-up, 0 or more.

    Raises:
        ValueError: If an argument lies outside its range, or a milestone is 0.
    """

    def __init__(
        self, milestones: Sequence[int], gamma: float = 0.1, warmup_steps: int = 0
    ) -> None:
        if 0 in milestones:
            raise ValueError(
                f"milestones must not contain epoch 0, got {list(milestones)}: a step down at the "
                "start is a lower learning rate. Set base_lr instead."
            )
        if not 0 < gamma <= 1:
            raise ValueError(
                f"gamma must be above 0 and at most 1, got {gamma}: it multiplies the learning "
                "rate at each milestone, 0.1 for a tenth."
            )
        if warmup_steps < 0:
            raise ValueError(
                f"warmup_steps must be 0 or more, got {warmup_steps}. Use 0 for no warm-up."
            )
        self.milestones = tuple(milestones)
        self.gamma = gamma
        self.warmup_steps = warmup_steps

    def factor(self, step: int, *, total_steps: int, steps_per_epoch: int) -> float:
        """The factor at a step.

        Args:
            step: Optimiser steps already taken, from 0.
            total_steps: Optimiser steps of the whole run; an incomplete last epoch counts as one.
            steps_per_epoch: Optimiser steps of one epoch.

        Returns:
            A number in (0, 1].

        Raises:
            ValueError: If a milestone counts from the end and the length of the run is not known.
        """
        end = total_steps / steps_per_epoch
        if min(self.milestones, default=0) < 0 and not (math.isfinite(end) and end > 0):
            raise ValueError(
                f"total_steps must be a finite number above 0, got {total_steps}: milestones "
                f"{list(self.milestones)} count from the end. Set max_epochs or max_steps."
            )
        epochs = (m + math.ceil(end) if m < 0 else m for m in self.milestones)
        passed = sum(0 < epoch <= step // steps_per_epoch for epoch in epochs)
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return warmup * self.gamma**passed


def scaled_lr(base_lr: float, batch_size: int, rule: LRScaling) -> float:
    """The learning rate that a base rate means at a batch size.

    Args:
        base_lr: The rate as papers quote it, 0 or more.
        batch_size: Images (not views) of one optimiser step, over all ranks and accumulated
            batches.
        rule: ``linear`` is base·B/256 (Goyal et al., 2017, https://arxiv.org/abs/1706.02677);
            ``sqrt`` is base·√B, as in SimCLR's 0.075·√B; ``none`` leaves the base rate.

    Returns:
        The effective learning rate.

    Raises:
        ValueError: If the rule is unknown, the batch is empty or the rate is negative.
    """
    if batch_size < 1:
        raise ValueError(
            f"batch_size must be 1 or more, got {batch_size}. Count images, not views."
        )
    if not (math.isfinite(base_lr) and base_lr >= 0):
        raise ValueError(f"base_lr must be a finite number, 0 or more, got {base_lr}. Change it.")
    if rule == "linear":
        return base_lr * batch_size / 256
    if rule == "sqrt":
        return base_lr * math.sqrt(batch_size)
    if rule == "none":
        return base_lr
    raise ValueError(f"rule must be linear, sqrt or none, got {rule!r}. Use one of the three.")
