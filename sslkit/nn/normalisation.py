"""Group normalisation and weight standardisation in place of batch normalisation.

Richemond et al., "BYOL works even without batch statistics", 2020,
https://arxiv.org/abs/2010.10241; weight standardisation is of Qiao et al., "Micro-Batch Training
with Batch-Channel Normalization and Weight Standardization", 2019,
https://arxiv.org/abs/1903.10520, equation 7.

B images, C channels, H and W of a feature map; O output channels of a convolution, I input channels
of one of its groups, kh x kw its kernel.
"""

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d, GroupNormAct
from timm.layers.padding import pad_same
from torch import Tensor, nn

_EPS = 1e-5


class StandardisedConv2d(nn.Conv2d):
    """A convolution whose kernel is standardised before use, see `standardise`.

    It has the weights and the state dict of the convolution that it replaces.

    Args:
        conv: The convolution; its parameters are taken over, not copied.
        unbiased: Divide by I·kh·kw - 1 in the variance (torch's default), not by I·kh·kw.
    """

    def __init__(self, conv: nn.Conv2d, *, unbiased: bool = True) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            conv.bias is not None,
            conv.padding_mode,  # type: ignore[arg-type]
            device="meta",  # the parameters come from `conv`: nothing to allocate, nothing to draw
        )
        self.weight = conv.weight
        self.bias = conv.bias
        self.unbiased = unbiased
        # timm's port of TensorFlow pads by the size of the image.
        self.pads_same = isinstance(conv, Conv2dSame)

    def forward(self, input: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,O,H',W')."""
        if self.pads_same:
            input = pad_same(input, list(self.kernel_size), list(self.stride), list(self.dilation))
        weight = standardise(self.weight, unbiased=self.unbiased)
        return self._conv_forward(input, weight, self.bias)


def standardise(weight: Tensor, *, unbiased: bool = True) -> Tensor:
    """A kernel with every output channel at mean 0 and standard deviation 1.

    (W_o - mean(W_o)) / (std(W_o) + 1e-5), with the statistics over (I,kh,kw) and in at least
    float32.

    Args:
        weight: (O,I,kh,kw).
        unbiased: Divide by I·kh·kw - 1 in the variance, not by I·kh·kw.

    Returns:
        (O,I,kh,kw) of the same dtype.
    """
    wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
    std, mean = torch.std_mean(wide, dim=(1, 2, 3), correction=int(unbiased), keepdim=True)
    return ((wide - mean) / (std + _EPS)).to(weight.dtype)


def replace_batch_norm(module: nn.Module, *, groups: int = 16, unbiased: bool = True) -> None:
    """Make a convolutional network one without batch statistics, in place.

    Every batch normalisation becomes a group normalisation with its scale and offset, and every
    convolution a `StandardisedConv2d`. (A convolution with a single weight for each output channel
    stays as it is: one number has no standard deviation.)

    Args:
        module: A network with `torch.nn.BatchNorm2d` (or timm's with an activation in it).
        groups: Groups of channels of each normalisation.
        unbiased: See `standardise`.

    Raises:
        ValueError: If there is no batch normalisation to replace, if its channels cannot be divided
            into the groups, or if a layer is of a kind that has no counterpart here.
    """
    replaced = 0
    for parent_name, parent in list(module.named_modules()):
        for leaf, child in list(parent.named_children()):
            name = f"{parent_name}.{leaf}" if parent_name else leaf
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, leaf, _group_norm(child, groups, name))
                replaced += 1
            elif isinstance(child, nn.Conv2d) and child.weight[0].numel() > 1:
                if type(child) not in (nn.Conv2d, Conv2dSame):
                    raise ValueError(_no_counterpart(name, child))
                setattr(parent, leaf, StandardisedConv2d(child, unbiased=unbiased))
    for name, child in module.named_modules():
        if getattr(child, "running_var", None) is not None:
            raise ValueError(_no_counterpart(name, child))
    if not replaced:
        raise ValueError(
            "norm='group' replaces batch normalisation, and this backbone has none: leave norm at "
            "'batch', it is without batch statistics as it is."
        )


def _group_norm(norm: nn.BatchNorm2d, groups: int, name: str) -> nn.GroupNorm:
    if type(norm) not in (nn.BatchNorm2d, BatchNormAct2d):
        raise ValueError(_no_counterpart(name, norm))
    channels = norm.num_features
    if channels % groups:
        raise ValueError(
            f"norm='group' uses {groups} groups, which do not divide the {channels} channels of "
            f"{name}: use a backbone, or options of it, with multiples of {groups} everywhere."
        )
    if isinstance(norm, BatchNormAct2d):
        new = GroupNormAct(channels, groups, eps=norm.eps, affine=norm.affine, apply_act=False)
        new.add_module("drop", norm.get_submodule("drop"))
        new.add_module("act", norm.get_submodule("act"))
    else:
        new = nn.GroupNorm(groups, channels, eps=norm.eps, affine=norm.affine)
    # The scale may have been initialised to 0, at the end of a residual block.
    new.weight, new.bias = norm.weight, norm.bias
    return new


def _no_counterpart(name: str, module: nn.Module) -> str:
    return (
        f"norm='group' cannot replace the layer {name} ({type(module).__name__}): it knows plain "
        "convolutions and batch normalisations of images. Use another backbone, such as a ResNet."
    )
