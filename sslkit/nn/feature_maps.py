"""What a backbone sees at every place of an image: its maps before they are pooled."""

from typing import Any

import torch
from torch import Tensor

from sslkit.nn.encoders import Encoder


def feature_maps(encoder: Encoder, x: Tensor, *, levels: int = 1) -> list[Tensor]:
    """Feature maps of a CNN, or the patch tokens of a ViT laid out as maps.

    Of maps that shrink along the network, the deepest of each size is taken; where all have one
    size, as in a ViT, those at equal distances along the depth. The last is that of the last block
    (of a ViT, after its last normalisation, if it has one). Class and register tokens are left out.

    Args:
        encoder: In train or eval mode as the caller left it.
        x: ``(B, C, S, S)`` normalised float images, see `Encoder.preprocess`.
        levels: At most so many maps, at least 1.

    Returns:
        Maps ``(B, F_l, h_l, w_l)`` from shallow to deep, in the precision of the weights.

    Raises:
        ValueError: If ``levels`` is less than 1, or the backbone has no such maps.
    """
    if levels < 1:
        raise ValueError(f"levels must be at least 1, got {levels}.")
    backbone: Any = encoder.backbone
    if not hasattr(backbone, "forward_intermediates"):
        raise ValueError(
            f"feature maps need a timm model with forward_intermediates(), and {encoder.name!r} "
            "has none: use another backbone, such as a ResNet or a ViT."
        )
    parameter = next(encoder.parameters())
    x = x.to(parameter.device, parameter.dtype).contiguous(memory_format=encoder.memory_format)
    maps = backbone.forward_intermediates(x, norm=True, output_fmt="NCHW", intermediates_only=True)
    return spread_levels(maps, levels, encoder.name)


def spread_levels(maps: list[Tensor], levels: int, name: str) -> list[Tensor]:
    """Of all maps of a backbone, some that differ: see `feature_maps`.

    Args:
        maps: What timm's ``forward_intermediates`` returned.
        levels: At most so many.
        name: What the message calls the backbone.

    Raises:
        ValueError: If they are no maps.
    """
    if not maps or any(not torch.is_tensor(found) or found.ndim != 4 for found in maps):
        raise ValueError(f"the backbone {name!r} gives no maps (B, F, h, w).")
    deepest = list({tuple(found.shape[-2:]): found for found in maps}.values())
    if len(deepest) > 1:
        return deepest[-levels:]
    levels = min(levels, len(maps))
    return [maps[(level + 1) * len(maps) // levels - 1] for level in range(levels)]
