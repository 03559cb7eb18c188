"""Names of a backbone's tensors in other libraries, and the same tensors under timm's names.

Only names are translated: the tensors are those that were given.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

# torchvision's VisionTransformer, and timm's. A perceptron's layers had words for names once.
_VISION_TRANSFORMER = (
    (r"class_token", r"cls_token"),
    (r"conv_proj\.(.*)", r"patch_embed.proj.\1"),
    (r"encoder\.pos_embedding", r"pos_embed"),
    (r"encoder\.ln\.(.*)", r"norm.\1"),
    (r"encoder\.layers\.encoder_layer_(\d+)\.ln_([12])\.(.*)", r"blocks.\1.norm\2.\3"),
    (
        r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_(weight|bias)",
        r"blocks.\1.attn.qkv.\2",
    ),
    (
        r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.(.*)",
        r"blocks.\1.attn.proj.\2",
    ),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)\.(.*)", r"blocks.\1.mlp.fc1.\2"),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)\.(.*)", r"blocks.\1.mlp.fc2.\2"),
    (r"heads\.(.*)", r"head.\1"),
)
_TO_TORCHVISION = (
    (r"cls_token", r"class_token"),
    (r"patch_embed\.proj\.(.*)", r"conv_proj.\1"),
    (r"pos_embed", r"encoder.pos_embedding"),
    (r"norm\.(.*)", r"encoder.ln.\1"),
    (r"blocks\.(\d+)\.norm([12])\.(.*)", r"encoder.layers.encoder_layer_\1.ln_\2.\3"),
    (
        r"blocks\.(\d+)\.attn\.qkv\.(.*)",
        r"encoder.layers.encoder_layer_\1.self_attention.in_proj_\2",
    ),
    (
        r"blocks\.(\d+)\.attn\.proj\.(.*)",
        r"encoder.layers.encoder_layer_\1.self_attention.out_proj.\2",
    ),
    (r"blocks\.(\d+)\.mlp\.fc1\.(.*)", r"encoder.layers.encoder_layer_\1.mlp.0.\2"),
    (r"blocks\.(\d+)\.mlp\.fc2\.(.*)", r"encoder.layers.encoder_layer_\1.mlp.3.\2"),
)
# detectron2 numbers the stages of a ResNet from 2 and keeps a normalisation in its convolution.
_TO_DETECTRON2 = (
    (r"conv1\.(.*)", r"stem.conv1.\1"),
    (r"bn1\.(.*)", r"stem.conv1.norm.\1"),
    (r"layer([1-4])\.(\d+)\.conv(\d)\.(.*)", r"res\1.\2.conv\3.\4"),
    (r"layer([1-4])\.(\d+)\.bn(\d)\.(.*)", r"res\1.\2.conv\3.norm.\4"),
    (r"layer([1-4])\.(\d+)\.downsample\.0\.(.*)", r"res\1.\2.shortcut.\3"),
    (r"layer([1-4])\.(\d+)\.downsample\.1\.(.*)", r"res\1.\2.shortcut.norm.\3"),
)
# Of lightly's ResNets.
_SHORTCUT = ((r"(layer\d+\.\d+)\.shortcut\.(.*)", r"\1.downsample.\2"),)


def vision_transformer_to_timm(state: Mapping[str, T]) -> dict[str, T]:
    """Names of a ViT in torchvision to those in timm; a name of neither stays."""
    return {_translated(name, _VISION_TRANSFORMER) or name: x for name, x in state.items()}


def vision_transformer_to_torchvision(state: Mapping[str, T]) -> dict[str, T]:
    """Names of a plain ViT in timm to those in torchvision.

    Raises:
        KeyError: Names a tensor that torchvision's ViT does not have.
    """
    return {_known(name, _TO_TORCHVISION): x for name, x in state.items()}


def resnet_to_detectron2(state: Mapping[str, T]) -> dict[str, T]:
    """Names of a ResNet in timm to those in detectron2.

    Raises:
        KeyError: Names a tensor that detectron2's ResNet does not have.
    """
    known = {_known(name, _TO_DETECTRON2): x for name, x in state.items()}
    return {re.sub(r"^res(\d)", lambda m: f"res{int(m[1]) + 1}", n): x for n, x in known.items()}


def numbered_resnet_to_timm(state: Mapping[str, T]) -> dict[str, T]:
    """A ResNet in an `nn.Sequential` of its parts to timm's names.

    The first two numbers with tensors are the convolution and the normalisation of the stem, the
    others the stages, whatever was numbered between them (a pooling has no tensors, and is not
    always there).

    Args:
        state: Tensors with names such as ``4.0.conv1.weight``.

    Returns:
        Those of which no name begins with a number are left as they are.
    """
    numbers = sorted({int(n.split(".")[0]) for n in state if re.match(r"\d+\.", n)})
    parts = ["conv1", "bn1", *(f"layer{i}" for i in range(1, len(numbers)))]
    own = dict(zip(map(str, numbers), parts, strict=False))

    def named(name: str) -> str:
        first, _, rest = name.partition(".")
        return f"{own[first]}.{rest}" if first in own else name

    return with_downsample({named(name): x for name, x in state.items()})


def with_downsample(state: Mapping[str, T]) -> dict[str, T]:
    """The projections beside a ResNet's blocks, which lightly calls ``shortcut``, as in timm."""
    return {_translated(name, _SHORTCUT) or name: x for name, x in state.items()}


def _known(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    translated = _translated(name, rules)
    if translated is None:
        raise KeyError(name)
    return translated


def _translated(name: str, rules: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return None
