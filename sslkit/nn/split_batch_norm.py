"""Batch normalisation as on several devices, on one: each part of a batch has its statistics.

B images, C channels, H and W of a feature map.
"""

from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional as F


class SplitBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation whose training statistics are those of a part of the batch.

    The batch is cut into parts of neighbouring rows, as data-parallel devices would see it. MoCo
    needs statistics that a query does not share with its key (He et al. 2020, section 3.3), and its
    authors' CIFAR-10 notebook emulates eight devices so. Running statistics are the mean over the
    parts; in eval mode, and in its state dict, this is a `torch.nn.BatchNorm2d`.

    Args:
        norm: The layer that it replaces; its parameters and buffers are taken over, not copied.
        splits: Parts of the batch.
    """

    def __init__(self, norm: nn.BatchNorm2d, splits: int) -> None:
        super().__init__(
            norm.num_features,
            eps=norm.eps,
            momentum=norm.momentum,
            affine=norm.affine,
            track_running_stats=norm.track_running_stats,
            device="meta",  # everything comes from `norm`
        )
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers(recurse=False):
            setattr(self, name, buffer)
        self.splits = splits
        self.training = norm.training

    def forward(self, input: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,C,H,W).

        Raises:
            ValueError: If, in training, the parts of the batch cannot be of one size.
        """
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        if len(input) % self.splits:
            raise ValueError(
                f"a batch of {len(input)} cannot be cut into {self.splits} equal parts for split "
                f"batch normalisation: use a batch_size that {self.splits} divides (and drop the "
                "last, smaller batch), or fewer splits."
            )
        if self.running_mean is None or self.running_var is None:
            return self._normalise(input, [None] * self.splits, [None] * self.splits, 0.0)
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        # Without a momentum, the running statistics are those of all batches alike.
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / float(self.num_batches_tracked)  # type: ignore[arg-type]
        means = self.running_mean.repeat(self.splits, 1)
        variances = self.running_var.repeat(self.splits, 1)
        out = self._normalise(input, means.unbind(), variances.unbind(), momentum)
        self.running_mean.copy_(means.mean(0))
        self.running_var.copy_(variances.mean(0))
        return out

    def _normalise(self, x: Tensor, means: Any, variances: Any, momentum: float) -> Tensor:
        """Part by part; writes into the means and variances, (C,) each."""
        parts = [
            F.batch_norm(part, mean, var, self.weight, self.bias, True, momentum, self.eps)
            for part, mean, var in zip(x.chunk(self.splits), means, variances, strict=True)
        ]
        return torch.cat(parts)

    def extra_repr(self) -> str:
        """What the printed module says of its shape."""
        return f"{super().extra_repr()}, splits={self.splits}"


class SplitBatchNormAct2d(SplitBatchNorm2d):
    """The same for timm's layer of batch normalisation, dropout and activation."""

    def __init__(self, norm: nn.BatchNorm2d, splits: int) -> None:
        super().__init__(norm, splits)
        self.drop = norm.get_submodule("drop")
        self.act = norm.get_submodule("act")

    def forward(self, input: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,C,H,W)."""
        return self.act(self.drop(super().forward(input)))


def split_batch_norm(module: nn.Module, splits: int) -> None:
    """Give every batch normalisation in a network split statistics, in place.

    Args:
        module: A network with `torch.nn.BatchNorm2d` (or timm's with an activation in it).
        splits: Parts of the batch, at least 1. 1 is plain batch normalisation.

    Raises:
        ValueError: If ``splits`` is below 1, or there is no such layer.
    """
    if splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}: 1 does not split the batch.")
    replaced = 0
    for parent in list(module.modules()):
        for leaf, child in list(parent.named_children()):
            if not isinstance(child, nn.BatchNorm2d):
                continue
            replaced += 1
            if isinstance(child, SplitBatchNorm2d):
                child.splits = splits
            elif isinstance(child, BatchNormAct2d):
                setattr(parent, leaf, SplitBatchNormAct2d(child, splits))
            elif type(child) is nn.BatchNorm2d:
                setattr(parent, leaf, SplitBatchNorm2d(child, splits))
            else:
                raise ValueError(
                    f"split batch normalisation has no counterpart of {type(child).__name__}: use "
                    "another backbone, such as a ResNet, or leave the splits out."
                )
    if not replaced:
        raise ValueError(
            f"split batch normalisation needs a backbone with batch normalisation, and "
            f"{type(module).__name__} has none of it: leave the splits out."
        )
