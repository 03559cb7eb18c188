"""Layer-wise adaptive rate scaling, for the large batches of contrastive pretraining."""

# torch's own optimisers are written with the _foreach functions; its stubs do not export them.
# pyright: reportPrivateImportUsage=false

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT


class LARS(Optimizer):
    """SGD with momentum whose step for each tensor is scaled by that tensor's own norm.

    With g the gradient, p the parameter, v its momentum buffer, λ the weight decay, μ the momentum,
    η the trust coefficient and γ the learning rate::

        d = g + λ·p
        d ← d · η‖p‖/‖d‖        (unscaled when either norm is 0)
        v ← μ·v + d
        p ← p - γ·v

    Tensors with at most one dimension (biases, normalisation), and all tensors of a parameter group
    with ``excluded=True``, take d = g: no decay, no scaling. This is the form of BYOL, MoCo v3 and
    Barlow Twins. SimCLR's puts the learning rate into the buffer, v ← μ·v + γ·d and p ← p - v,
    which is the same while γ is constant and differs while it changes. You, Gitman and Ginsburg,
    "Large Batch Training of Convolutional Networks", 2017, https://arxiv.org/abs/1708.03888.

    Args:
        params: Parameters or parameter groups. A group may override every argument below, and may
            set ``excluded``.
        lr: Learning rate γ >= 0, already scaled to the batch size.
        momentum: μ in [0, 1).
        weight_decay: λ >= 0.
        trust_coefficient: η > 0.
        lr_in_buffer: Keep the learning rate inside the momentum buffer, as SimCLR does.

    Raises:
        ValueError: If a number lies outside its range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.1,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        lr_in_buffer: bool = False,
    ) -> None:
        for name, value, allowed, words in (
            ("lr", lr, lr >= 0, "0 or more"),
            ("momentum", momentum, 0 <= momentum < 1, "at least 0 and below 1"),
            ("weight_decay", weight_decay, weight_decay >= 0, "0 or more"),
            ("trust_coefficient", trust_coefficient, trust_coefficient > 0, "above 0"),
        ):
            if not allowed:
                raise ValueError(f"{name} of LARS must be {words}, got {value}. Change {name}.")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "lr_in_buffer": lr_in_buffer,
            "excluded": False,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient.

        Args:
            closure: Re-evaluates the model and returns the loss.

        Returns:
            What the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            # A list of tensors for one kernel must share device and type.
            alike: dict[tuple[Any, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    adapted = parameter.ndim > 1 and not group["excluded"]
                    key = (parameter.device, parameter.dtype, adapted)
                    alike.setdefault(key, []).append(parameter)
            for (_, _, adapted), parameters in alike.items():
                self._move(parameters, group, adapted)
        return loss

    def _move(self, parameters: list[Tensor], group: dict[str, Any], adapted: bool) -> None:
        directions = [p.grad for p in parameters if p.grad is not None]
        if adapted:
            directions = _adapt(
                parameters, directions, group["weight_decay"], group["trust_coefficient"]
            )
        buffers = [self._buffer(p) for p in parameters]
        torch._foreach_mul_(buffers, group["momentum"])
        if group["lr_in_buffer"]:
            torch._foreach_add_(buffers, directions, alpha=group["lr"])
            torch._foreach_sub_(parameters, buffers)
        else:
            torch._foreach_add_(buffers, directions)
            torch._foreach_add_(parameters, buffers, alpha=-group["lr"])

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def _adapt(
    parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, coefficient: float
) -> list[Tensor]:
    """Gradients with decay, each scaled to ``coefficient`` times its parameter's norm."""
    decayed = gradients
    if weight_decay != 0:
        decayed = list(torch._foreach_add(gradients, parameters, alpha=weight_decay))
    norms = torch.stack(list(torch._foreach_norm(parameters)))
    decayed_norms = torch.stack(list(torch._foreach_norm(decayed)))
    trust = torch.where((norms > 0) & (decayed_norms > 0), coefficient * norms / decayed_norms, 1.0)
    return list(torch._foreach_mul(decayed, list(trust.unbind())))
