"""Learning rates that fall from the head down to the first layer, for fine-tuning."""

from typing import Any

from timm.optim import param_groups_layer_decay  # pyright: ignore[reportPrivateImportUsage]
from torch import nn

from sslkit.optim.parameter_groups import parameter_groups


def layer_decay_groups(
    backbone: nn.Module, head: nn.Module, *, decay: float, exclude_bias_and_norm: bool
) -> list[dict[str, Any]]:
    """Parameter groups whose ``lr_scale`` is decay^d, d layers below the head.

    Clark et al., "ELECTRA", 2020, https://arxiv.org/abs/2003.10555, as BEiT and MAE fine-tune. What
    makes a layer is timm's: a block, and the stem; a normalisation after the last block belongs to
    it. Within a layer, groups are those of `sslkit.optim.parameter_groups`.

    Args:
        backbone: A timm model without its classifier.
        head: What is above it; its ``lr_scale`` is 1.
        decay: In (0, 1]; 1 is one rate for all.
        exclude_bias_and_norm: Keep parameters of at most one dimension, and those that the backbone
            asks to keep, out of weight decay.

    Returns:
        Groups with ``params``, ``lr_scale`` and, of those that do not decay, ``weight_decay`` 0 and
        ``excluded``.

    Raises:
        ValueError: If ``decay`` is out of range.
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"layer_decay must be above 0 and at most 1, got {decay}: each layer's learning rate "
            "is this times that of the layer above it."
        )
    listed: Any = getattr(backbone, "no_weight_decay", set)
    found = param_groups_layer_decay(
        backbone,
        weight_decay=1.0,  # only tells which groups decay
        no_weight_decay_list=tuple(listed()) if exclude_bias_and_norm else (),
        weight_decay_exclude_1d=exclude_bias_and_norm,
        layer_decay=decay,
    )
    groups: list[dict[str, Any]] = []
    for group in found:
        # timm's scale is 1 in the topmost layer, which is here one below the head.
        kept: dict[str, Any] = {"params": group["params"], "lr_scale": decay * group["lr_scale"]}
        if not group["weight_decay"]:
            kept |= {"weight_decay": 0.0, "excluded": True}
        groups.append(kept)
    above = parameter_groups(head, exclude_bias_and_norm=exclude_bias_and_norm)
    return [*groups, *({**group, "lr_scale": 1.0} for group in above)]
