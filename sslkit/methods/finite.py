"""Which quantity stopped being finite first, without stopping the device to ask."""

import torch
from torch import Tensor

# Batches between looks at a device.
_EVERY = 50


class FiniteWatch:
    """Remembers, on the device, the first of several quantities that went to NaN or infinity.

    `watch` only enqueues work; `check` reads one number and so waits for the device.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._first: Tensor | None = None

    def watch(self, **quantities: Tensor) -> None:
        """Note the quantities of this step, in the order in which they are computed."""
        self._names = list(quantities)
        bad = torch.stack([~torch.isfinite(q.detach()).all() for q in quantities.values()])
        # Index of the first bad one, or their number when all are finite.
        first = torch.where(bad.any(), bad.int().argmax(), len(self._names))
        self._first = first if self._first is None else torch.minimum(self._first, first)

    def check_now_and_then(self, batch: int, step: int) -> None:
        """Check at every batch on a CPU, and seldom on a device that would be waited for.

        Args:
            batch: Number of the batch in its epoch.
            step: Optimiser step, for the message.

        Raises:
            FloatingPointError: As `check`.
        """
        on_cpu = self._first is not None and self._first.device.type == "cpu"
        if on_cpu or batch % _EVERY == 0:
            self.check(step)

    def check(self, step: int) -> None:
        """Raise if any quantity was not finite since the last check.

        Args:
            step: Optimiser step, for the message.

        Raises:
            FloatingPointError: Names the first quantity that was not finite.
        """
        if self._first is None:
            return
        first = int(self._first)
        self._first = None
        if first < len(self._names):
            name = self._names[first]
            fine = f"; {', '.join(self._names[:first])} still finite" if first else ""
            raise FloatingPointError(
                f"training diverged at or shortly before step {step}: the {name} went to NaN or "
                f"infinity first{fine}. Lower base_lr, lengthen the warm-up, or train with "
                "precision 32-true; the last checkpoint is untouched."
            )
