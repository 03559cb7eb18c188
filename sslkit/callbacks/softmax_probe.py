"""Softmax regression that follows features while they change.

N rows, F feature width, C classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslkit.distributed import mean_across_ranks

# The width at which `lr` is the weight's learning rate.
_WIDTH = 128
_STATISTICS_RATE = 0.1


class SoftmaxProbe(nn.Module):
    """A linear classifier with its optimiser, on features standardised by running statistics.

    Starts at zero and draws nothing from any random generator. Ranks that step together hold the
    same probe: gradients and statistics are those of the joined batch.

    Args:
        width: F.
        classes: C.
        lr: Learning rate of the bias; the weight's is ``lr * 128 / F``, because the curvature of
            the loss in the weight grows with F when every feature has variance 1.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int, classes: int, *, lr: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, width))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.zeros(width))
        self.steps = 0
        self.optimizer = torch.optim.SGD(
            [
                {"params": [self.weight], "lr": lr * _WIDTH / width},
                {"params": [self.bias], "lr": lr},
            ],
            momentum=0.9,
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Class scores ``(N, C)`` of raw float32 features ``(N, F)``."""
        with torch.autocast(rows.device.type, enabled=False):
            # Keeps features that hardly vary, and float32's rounding of a constant one, from being
            # blown up. Relative, so that the scale of the features does not matter.
            floor = 1e-5 * self.variance.mean() + 1e-10 * self.mean.square().mean() + 1e-24
            rows = (rows - self.mean) * torch.rsqrt(self.variance + floor)
            return F.linear(rows, self.weight, self.bias)

    def step(self, rows: Tensor, labels: Tensor) -> Tensor:
        """One step of the statistics and of the optimiser.

        Args:
            rows: ``(N, F)`` raw float32 features.
            labels: ``(N,)`` from 0 to C − 1, or −1 for a row to leave out.

        Returns:
            The detached mean cross-entropy of this rank's rows, before the step; its mean over
            ranks is that of the joined batch.
        """
        with torch.autocast(rows.device.type, enabled=False), torch.enable_grad():
            self._follow(rows)
            counted = mean_across_ranks((labels >= 0).sum().to(rows.dtype)).clamp(min=1e-6)
            scores = self(rows)
            loss = F.cross_entropy(scores, labels, ignore_index=-1, reduction="sum") / counted
            parameters = [self.weight, self.bias]
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                parameter.grad = mean_across_ranks(gradient)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.detach()

    @torch.no_grad()
    def _follow(self, rows: Tensor) -> None:
        # A plain average over the first steps, then an exponential one.
        self.steps += 1
        rate = max(_STATISTICS_RATE, 1 / self.steps)
        mean = mean_across_ranks(rows.mean(0))
        variance = mean_across_ranks((rows - mean).square().mean(0))
        # (1 - rate) (old + rate * drift^2) + rate * new: the variance of the mixture of both.
        self.variance.add_((mean - self.mean).square(), alpha=rate).lerp_(variance, rate)
        self.mean.lerp_(mean, rate)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on: tensors and plain values."""
        return {
            "weights": dict(self.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is of a probe with other numbers of classes or features.
        """
        there, here = tuple(state["weights"]["weight"].shape), tuple(self.weight.shape)
        if there != here:
            raise ValueError(
                f"the probe in the checkpoint has {there[0]} classes and {there[1]} features, and "
                f"this run has {here[0]} and {here[1]}: resume with the configuration that wrote "
                "the checkpoint, or start a new run."
            )
        self.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]
