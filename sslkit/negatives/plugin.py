"""What a treatment of positives and negatives is, and when in a run it acts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from sslkit.negatives.pairs import Pairs
from sslkit.seeding import counter_generator, global_seed

# Names these draws among those of the run's seed.
_PLUGIN_DRAWS = 0x6E


@dataclass(frozen=True)
class Progress:
    """Where a run stands when a batch is compared.

    Attributes:
        step: Optimiser steps taken so far.
        steps_per_epoch: Optimiser steps of an epoch.
        batch: Training batches compared so far, which names the draws of this one.
        rank: Of this process; every rank draws its own.
    """

    step: int = 0
    steps_per_epoch: int = 1
    batch: int = 0
    rank: int = 0


@dataclass(frozen=True)
class PluginSchedule:
    """When a plug-in acts, counted in optimiser steps or epochs.

    Its strength is 0 before ``start``, rises linearly to 1 over ``ramp`` from there, and is 0 again
    from ``stop`` on. Accumulated batches share the strength of their optimiser step.

    Attributes:
        start: First step (or epoch, fractions allowed) at which the plug-in acts, from 0.
        stop: The first at which it no longer does; None is never.
        ramp: Over how many the strength rises; 0 is at once.
        unit: What is counted.

    Raises:
        ValueError: If a number is negative, or ``stop`` is not after ``start``.
    """

    start: float = 0
    stop: float | None = None
    ramp: float = 0
    unit: Literal["epochs", "steps"] = "epochs"

    def __post_init__(self) -> None:
        if self.start < 0 or self.ramp < 0:
            raise ValueError(
                f"a plug-in's start and ramp must be 0 or more, got start={self.start} and "
                f"ramp={self.ramp}, in {self.unit}."
            )
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(
                f"a plug-in's stop must come after its start, got start={self.start} and "
                f"stop={self.stop}, in {self.unit}. Leave stop out to go on to the end."
            )

    def strength(self, progress: Progress) -> float:
        """How strongly the plug-in acts now, in [0, 1]."""
        scale = progress.steps_per_epoch if self.unit == "epochs" else 1
        since = progress.step - self.start * scale
        if since < 0 or (self.stop is not None and progress.step >= self.stop * scale):
            return 0.0
        # The first step of a ramp already acts.
        return 1.0 if self.ramp == 0 else min((since + 1) / (self.ramp * scale), 1.0)


@dataclass(frozen=True)
class Setting:
    """What a plug-in works with, for it to refuse what cannot be.

    Attributes:
        source: Where the negatives come from.
        loss: What reads the pairs.
        negatives: How many rows each anchor has as negatives, where that is known beforehand.
        momentum: Whether targets come from a momentum encoder.
        beta: HCL's β, if the loss itself reweights.
        anchors_learn: Whether gradient flows through the anchors. In NNCLR it flows through the
            candidates only, so negatives that are made, and not learned, would teach nothing.
    """

    source: Literal["batch", "queue"]
    loss: Literal["InfoNCE", "DCL", "debiased"]
    negatives: int | None = None
    momentum: bool = False
    beta: float = 0.0
    anchors_learn: bool = True


class Plugin(nn.Module, ABC):
    """A treatment of positives or negatives: pairs in, pairs out.

    A new one is a subclass in a file of its own. At strength 0, or at a setting that changes
    nothing, it returns the very pairs it was given, and the loss is then computed as without it.

    Attributes:
        changes_vectors: It changes queries, positives or the bank, so it must come before plug-ins
            that add negatives made from these.
        adds_negatives: It adds negatives made from the vectors at hand.
        guide: What judges which images are alike, for plug-ins that need it: a module, views
            (B,C,S,S) -> (B,G), which is frozen; or ``momentum``, the embeddings of the targets.
            With a queue a module says its width G as ``num_features``.

    Args:
        schedule: When it acts; None is always.
    """

    changes_vectors: bool = False
    adds_negatives: bool = False

    def __init__(self, *, schedule: PluginSchedule | None = None) -> None:
        super().__init__()
        self.schedule = schedule if schedule is not None else PluginSchedule()
        self.strength = 1.0
        # On the instance: a module that takes its place registers as a part.
        self.guide: nn.Module | Literal["momentum"] | None = None
        self._progress = Progress()
        self._position = 0

    def begin(self, progress: Progress, position: int) -> None:
        """Take note of the batch that comes next.

        Args:
            progress: Where the run stands.
            position: Of this plug-in in its list, and after all of these, in the list for further
                pairs of the same batch; no two draw alike.
        """
        self._progress, self._position = progress, position
        self.strength = self.schedule.strength(progress)

    def generator(self, device: torch.device) -> torch.Generator:
        """The source of this batch's draws: a pure function of the seed, rank, batch and place."""
        at = self._progress
        return counter_generator(
            global_seed(), at.rank, at.batch, self._position, _PLUGIN_DRAWS, device=device
        )

    def check(self, setting: Setting) -> None:
        """Refuse a setting that the plug-in cannot work in; called when the model is built.

        Raises:
            ValueError: If so; the message says why, and what would do instead.
        """
        del setting

    @abstractmethod
    def forward(self, pairs: Pairs) -> Pairs:
        """The pairs that the next plug-in, or the loss, reads.

        Args:
            pairs: Embeddings in at least float32; not to be changed in place.
        """
