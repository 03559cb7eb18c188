"""Projectors and predictors: one MLP with every placement of normalisation that the papers use."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

Norm = Literal["batch", "group", "none"]
LastNorm = Literal["affine", "scale", "plain", "none"]


class MLPHead(nn.Module):
    """Linear layers with normalisation and ReLU between them.

    ========================  ==============  ======  ===========  =========  =========
    paper                     sizes           norm    hidden_bias  last_bias  last_norm
    ========================  ==============  ======  ===========  =========  =========
    SimCLR                    d, 128          batch   False        False      scale
    MoCo v1                   128             none    --           True       none
    MoCo v2                   2048, 128       none    True         True       none
    MoCo v3 projector         4096, 256       batch   False        False      plain
    BYOL                      4096, 256       batch   True         False      none
    BYOL without batch stats  4096, 256       group   True         False      none
    Barlow Twins              8192 x 3        batch   False        False      none
    W-MSE                     1024, D         batch   True         True       none
    NNCLR projector           2048 x 2, 256   batch   True         True       affine
    ========================  ==============  ======  ===========  =========  =========

    Args:
        in_features: Width F of the input.
        sizes: Widths of the layers; the last one is the output's.
        norm: After each hidden layer: batch normalisation, group normalisation (16 groups, no batch
            statistics; Richemond et al. 2020) or none.
        hidden_bias: Whether hidden linear layers have a bias.
        last_bias: Whether the last linear layer has a bias.
        last_norm: Batch normalisation after the last layer: ``affine`` (scale and offset),
            ``scale`` (no offset), ``plain`` (neither), or ``none``.
        weight_std: Standard deviation of normal initial weights (SimCLR: 0.01); None keeps torch's.

    Raises:
        ValueError: If a width is below 1, or group normalisation does not divide a hidden width.
    """

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        *,
        norm: Norm = "batch",
        hidden_bias: bool = True,
        last_bias: bool = True,
        last_norm: LastNorm = "none",
        weight_std: float | None = None,
    ) -> None:
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes must be one or more widths of at least 1, got {list(sizes)}.")
        widths = [in_features, *sizes]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            layers += [
                nn.Linear(before, after, bias=hidden_bias),
                *_hidden_norm(norm, after),
                nn.ReLU(),
            ]
        layers += [nn.Linear(widths[-2], widths[-1], bias=last_bias)]
        layers += _last_norm(last_norm, widths[-1])
        self.layers = nn.Sequential(*layers)
        self.out_features = widths[-1]
        if weight_std is not None:
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=weight_std)

    def forward(self, x: Tensor) -> Tensor:
        """(B,F) -> (B,D)."""
        return self.layers(x)


def _hidden_norm(norm: Norm, width: int) -> list[nn.Module]:
    if norm == "batch":
        return [nn.BatchNorm1d(width)]
    if norm == "group":
        if width % 16 or width < 32:
            raise ValueError(
                "norm='group' uses 16 groups of at least 2 values (one alone is always 0), and the "
                f"hidden width is {width}: use a multiple of 16 from 32 on."
            )
        return [nn.GroupNorm(16, width)]
    return []


def _last_norm(norm: LastNorm, width: int) -> list[nn.Module]:
    if norm == "none":
        return []
    layer = nn.BatchNorm1d(width, affine=norm != "plain")
    if norm == "scale":
        # No offset at all, so that it stays out of the optimiser and the checkpoint.
        layer.register_parameter("bias", None)
    return [layer]


def linear_head(features: int, classes: int, *, batch_norm: bool = False) -> nn.Module:
    """A classifier on features, (N,F) -> (N,K), with weights N(0, 0.01²) and biases 0 as in MoCo.

    Args:
        features: F.
        classes: K, at least 2.
        batch_norm: Normalise the features first, without scale or offset, as MAE does.

    Raises:
        ValueError: If there are fewer classes.
    """
    if classes < 2:
        raise ValueError(f"a classifier needs at least two classes, got {classes}.")
    linear = nn.Linear(features, classes)
    nn.init.normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)
    if not batch_norm:
        return linear
    return nn.Sequential(nn.BatchNorm1d(features, affine=False, eps=1e-6), linear)
