"""Softmax regressions that follow features while they change, all in one step.

N rows, L layers of F_l features, H learning rates, C classes; a head is one of both.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslkit.distributed import mean_across_ranks

# The width at which `lr` is the weight's learning rate.
_WIDTH = 128
_STATISTICS_RATE = 0.1
_MOMENTUM = 0.9


class SoftmaxProbes(nn.Module):
    """Linear classifiers with their optimiser, on features standardised by running statistics.

    On every layer there is one for each learning rate, trained as if alone by `torch.optim.SGD`
    with momentum 0.9. The gradient of the logits is written down (probability minus target), so all
    of a layer share one product forward and one back, and nothing is recorded for autograd. They
    start at zero and draw nothing from any random generator. Ranks that step together hold the same
    probes: gradients and statistics are those of the joined batch.

    Args:
        widths: F_l of each layer.
        classes: C.
        lrs: Learning rates of the biases; a weight's is ``lr * 128 / F_l``, because the curvature
            of the loss in the weight grows with F_l when every feature has variance 1.
    """

    bias: Tensor
    mean: Tensor
    variance: Tensor
    _rate: Tensor

    def __init__(self, widths: Sequence[int], classes: int, *, lrs: Sequence[float]) -> None:
        super().__init__()
        self.widths, self.classes, self.lrs = list(widths), classes, list(lrs)
        rows = len(lrs) * classes  # of a layer's logits
        for number, width in enumerate(widths):
            self.register_buffer(f"weight{number}", torch.zeros(rows, width))
            self.register_buffer(f"velocity{number}", torch.zeros(rows, width))
        self.register_buffer("bias", torch.zeros(len(widths) * rows, 1))
        self.register_buffer("bias_velocity", torch.zeros(len(widths) * rows, 1))
        self.register_buffer("mean", torch.zeros(sum(widths)))
        self.register_buffer("variance", torch.zeros(sum(widths)))
        rate = torch.tensor(lrs).repeat_interleave(classes)[:, None]
        self.register_buffer("_rate", rate, persistent=False)
        self.steps = 0

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Class scores ``(L * H, C, N)`` of raw float32 features ``(N, F_l)`` of each layer."""
        with torch.autocast(layers[0].device.type, enabled=False), torch.no_grad():
            return self._scores(self._standardised(torch.cat(list(layers), dim=1)))

    @torch.no_grad()
    def step(self, layers: Sequence[Tensor], labels: Tensor) -> Tensor:
        """One step of the statistics and of the optimiser.

        Args:
            layers: ``(N, F_l)`` raw float32 features of each layer.
            labels: ``(N,)`` from 0 to C − 1, or −1 for a row to leave out.

        Returns:
            ``(L * H,)`` mean cross-entropies of this rank's rows, before the step; their mean over
            ranks is that of the joined batch.
        """
        with torch.autocast(labels.device.type, enabled=False):
            rows = torch.cat(list(layers), dim=1)
            self._follow(rows)
            rows = self._standardised(rows)
            target = labels == torch.arange(self.classes, device=labels.device)[:, None]
            counted = mean_across_ranks((labels >= 0).sum().to(rows.dtype)).clamp(min=1e-6)
            logs = self._scores(rows).log_softmax(dim=1)
            loss = -(logs * target).sum(dim=(1, 2)) / counted
            error = (logs.exp_() * (labels >= 0)).sub_(target.to(logs.dtype)) / counted
            self._move(error.flatten(0, 1), rows)
        return loss

    def _move(self, error: Tensor, rows: Tensor) -> None:
        """A step of SGD along the gradients of the logits ``(L * H * C, N)``."""
        parts = error.chunk(len(self.widths))
        inputs = rows.split(self.widths, dim=1)
        gradients = [part @ given for part, given in zip(parts, inputs, strict=True)]
        gradients = _together([*gradients, error.sum(dim=1, keepdim=True)])
        for number, width in enumerate(self.widths):
            velocity = self.get_buffer(f"velocity{number}")
            velocity.mul_(_MOMENTUM).add_(gradients[number])
            rate = self._rate * (_WIDTH / width)
            self.get_buffer(f"weight{number}").addcmul_(velocity, rate, value=-1)
        velocity = self.get_buffer("bias_velocity").mul_(_MOMENTUM).add_(gradients[-1])
        self.bias.addcmul_(velocity, self._rate.repeat(len(self.widths), 1), value=-1)

    def _scores(self, rows: Tensor) -> Tensor:
        """``(L * H, C, N)`` of standardised features ``(N, sum of F_l)``."""
        scores = self.bias.new_empty(len(self.bias), len(rows))
        parts = zip(
            scores.chunk(len(self.widths)),
            self.bias.chunk(len(self.widths)),
            rows.split(self.widths, dim=1),
            strict=True,
        )
        for number, (part, bias, given) in enumerate(parts):
            torch.addmm(bias, self.get_buffer(f"weight{number}"), given.T, out=part)
        return scores.view(-1, self.classes, len(rows))

    def _standardised(self, rows: Tensor) -> Tensor:
        # The floor keeps features that hardly vary, and float32's rounding of a constant one, from
        # being blown up. Relative, so that the scale of a layer's features does not matter.
        floors = [
            (1e-5 * variance.mean() + 1e-10 * mean.square().mean() + 1e-24).expand(len(mean))
            for mean, variance in zip(
                self.mean.split(self.widths), self.variance.split(self.widths), strict=True
            )
        ]
        return (rows - self.mean) * torch.rsqrt(self.variance + torch.cat(floors))

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
            "widths": self.widths,
            "classes": self.classes,
            "lrs": self.lrs,
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is of other numbers of classes or features, or other learning rates.
        """
        there, here = _described(state), _described(vars(self))
        if there != here:
            raise ValueError(
                f"the probe in the checkpoint has {there}, and this run has {here}: resume with "
                "the configuration that wrote the checkpoint, or start a new run."
            )
        self.load_state_dict(state["weights"])
        self.steps = state["steps"]


def _described(state: dict[str, Any]) -> str:
    widths, lrs = (", ".join(f"{x:g}" for x in state[key]) for key in ("widths", "lrs"))
    return f"{state['classes']} classes and {widths} features, learning rates {lrs}"


def _together(tensors: list[Tensor]) -> list[Tensor]:
    """The mean of each over the ranks, in one exchange for all."""
    flat = mean_across_ranks(torch.cat([x.flatten() for x in tensors]))
    parts = flat.split([x.numel() for x in tensors])
    return [part.view_as(x) for part, x in zip(parts, tensors, strict=True)]
