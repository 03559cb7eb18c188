"""How large a recipe's run is: processes, images of an optimiser step, learning rate, steps."""

import math
from dataclasses import dataclass, replace
from typing import Any

from sslkit.card import Card
from sslkit.counted import counted
from sslkit.optim import scaled_lr

# Steps of an epoch where the number of images is not known: enough for schedules in epochs.
_SOME_STEPS = 1000


@dataclass(frozen=True)
class Scale:
    """The size of a run as a recipe has it.

    Attributes:
        images: In a batch of one process.
        processes: As ``trainer.devices`` says, else the card's devices, else 1.
        accumulated: Batches of an optimiser step.
        lr: The effective learning rate; None where the method has no base rate.
        epochs: None without an end in epochs.
        trained: Images of an epoch, without those that are held out; None where ``data.limit`` does
            not say how many there are.
        batches: Of an epoch in one process; None where their number is not known.
        total_steps: None of a run without an end.
    """

    images: int
    processes: int
    accumulated: int
    lr: float | None
    epochs: int | None
    trained: int | None
    batches: int | None
    total_steps: int | None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch, as `sslkit.methods.optimisation.epoch_steps` counts them."""
        if self.batches is None:
            return _SOME_STEPS
        return max(1, math.ceil(self.batches / self.accumulated))

    @property
    def compared(self) -> int:
        """Images that are compared at once: over all processes, without accumulation."""
        return self.images * self.processes

    @property
    def global_batch(self) -> int:
        """Images of an optimiser step."""
        return self.compared * self.accumulated

    @property
    def batch(self) -> str:
        """The global batch in words, with its factors: processes, images and accumulated."""
        accumulated = f" x {self.accumulated}" if self.accumulated > 1 else ""
        return (
            f"{counted(self.global_batch, 'image')} ({self.processes} x {self.images}{accumulated})"
        )

    def length(self, steps: int) -> str:
        """How long the run of so many steps is, in epochs where it is counted in them."""
        return counted(self.epochs, "epoch") if self.epochs else counted(steps, "step")


def processes_of(trainer: dict[str, Any]) -> int | None:
    """The processes that a config's trainer asks for; None if it takes what there is."""
    devices, nodes = trainer.get("devices"), trainer.get("num_nodes") or 1
    if isinstance(devices, str) and devices.isdecimal():
        devices = int(devices)
    if isinstance(devices, list) and devices:
        return len(devices) * nodes
    if isinstance(devices, int) and devices > 0:
        return devices * nodes
    return None


def scale_of(config: dict[str, Any], card: Card | None) -> Scale:
    """The scale of a resolved config (`sslkit.recipe.reading.Reading`) and its card."""
    trainer, data = config["trainer"], config["data"]
    said = None if card is None else card.devices
    processes = processes_of(trainer) or said or 1
    images, accumulated = data["batch_size"], trainer.get("accumulate_grad_batches") or 1
    trained = _trained(data)
    batches = _batches(trained, max(1, images * processes), trainer.get("limit_train_batches"))
    arguments = (config.get("model") or {}).get("init_args") or {}
    rate, rule = arguments.get("base_lr"), arguments.get("lr_scaling")
    lr = None
    if rate is not None and rule is not None:
        lr = scaled_lr(rate, images * processes * accumulated, rule)
    epochs, most = (
        end if isinstance(end, int) and end > 0 else None
        for end in (trainer.get("max_epochs"), trainer.get("max_steps"))
    )
    scale = Scale(images, processes, accumulated, lr, epochs, trained, batches, None)
    ends = [] if epochs is None else [epochs * scale.steps_per_epoch]
    ends += [] if most is None else [most]
    return replace(scale, total_steps=min(ends, default=None))


def _trained(data: dict[str, Any]) -> int | None:
    images = data.get("limit")
    if images is None:
        return None
    # Of each class a share is rounded; what that changes is less than a batch.
    if data.get("val_source") is None:
        images -= round(images * (data.get("val_fraction") or 0))
    return round(images * (data.get("label_fraction") or 1))


def _batches(trained: int | None, images: int, most: Any) -> int | None:
    """The batches of an epoch, of so many images over all processes.

    Args:
        trained: Images of an epoch, if they are known.
        images: Of a batch.
        most: ``trainer.limit_train_batches``: a number, a share, or None.
    """
    batches = None if trained is None else trained // images
    if isinstance(most, float):
        return None if batches is None else int(batches * most)
    if most is None:
        return batches
    return most if batches is None else min(most, batches)
