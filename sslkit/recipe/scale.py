"""How large a recipe's run is: processes, images of an optimiser step, learning rate, steps."""

from dataclasses import dataclass
from typing import Any

from sslkit.card import Card
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
        steps_per_epoch: Exact where ``data.limit`` says how many images there are.
        total_steps: None of a run without an end.
    """

    images: int
    processes: int
    accumulated: int
    lr: float | None
    epochs: int | None
    steps_per_epoch: int
    total_steps: int | None

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
        return f"{self.global_batch} images ({self.processes} x {self.images}{accumulated})"


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
    limit = data.get("limit")
    steps = _SOME_STEPS if limit is None else limit // max(1, images * processes * accumulated)
    steps_per_epoch = max(1, steps)
    ends = []
    epochs, most = trainer.get("max_epochs"), trainer.get("max_steps")
    if isinstance(epochs, int) and epochs > 0:
        ends.append(epochs * steps_per_epoch)
    if isinstance(most, int) and most > 0:
        ends.append(most)
    arguments = (config.get("model") or {}).get("init_args") or {}
    rate, rule = arguments.get("base_lr"), arguments.get("lr_scaling")
    lr = None
    if rate is not None and rule is not None:
        lr = scaled_lr(rate, images * processes * accumulated, rule)
    return Scale(
        images=images,
        processes=processes,
        accumulated=accumulated,
        lr=lr,
        epochs=epochs if isinstance(epochs, int) and epochs > 0 else None,
        steps_per_epoch=steps_per_epoch,
        total_steps=min(ends, default=None),
    )
