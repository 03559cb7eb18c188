"""Weights under torchvision's names: its ResNets and its vision transformers."""

from pathlib import Path
from typing import Any

import torch
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.models import resnet, vision_transformer

from sslkit.interchange.target import Features, Target, python, refuse_group_norm
from sslkit.interchange.timm_network import timm_network
from sslkit.nn import Encoder
from sslkit.nn.key_names import vision_transformer_to_torchvision

_BLOCKS = {BasicBlock: "BasicBlock", Bottleneck: "Bottleneck"}
_WIDTHS = (64, 128, 256, 512)


class TorchvisionFile(Target):
    """A ``.pth`` of plain tensors for a network of torchvision without its classifier.

    The network is built from the sizes of timm's and loaded strictly, so that one which torchvision
    has no counterpart of is refused and not approximated.
    """

    suffixes = (".pth",)
    library = "torchvision"

    def write(self, encoder: Encoder, path: Path) -> None:
        """Write the state dict."""
        refuse_group_norm(encoder, self.library)
        _constructor(encoder)
        backbone = encoder.backbone
        state: dict[str, Tensor] = backbone.state_dict()
        if isinstance(backbone, VisionTransformer):
            try:
                state = vision_transformer_to_torchvision(state)
            except KeyError as error:
                raise _unknown(encoder, f"its tensor {error}") from error
        torch.save({n: x.contiguous() for n, x in state.items()}, path)

    def read(self, encoder: Encoder, path: Path) -> Features:
        """Load it into torchvision's network, strictly."""
        network, changes = _network(encoder)
        for name, layer, _ in changes:
            network.set_submodule(name, layer)
        try:
            network.load_state_dict(torch.load(path, weights_only=True), strict=True)
        except RuntimeError as error:
            raise _unknown(encoder, " ".join(str(error).split())[:200]) from error
        return network.eval()

    def usage(self, encoder: Encoder, name: str) -> str:
        """Python that builds the network, replaces its ends and loads the weights."""
        kind, arguments = _constructor(encoder)
        module = resnet if kind == "ResNet" else vision_transformer
        given = ", ".join(f"{n}={x}" for n, x in arguments.items())
        _, changes = _network(encoder)
        names = sorted({kind, *(x for x in arguments.values() if isinstance(x, str))})
        lines = [
            "import torch",
            f"from {module.__name__} import {', '.join(names)}",
            f"model = {kind}({given})",
            *(f'model.set_submodule("{path}", {text})' for path, _, text in changes),
            f'model.load_state_dict(torch.load("{name}", weights_only=True))',
            "model.eval()",
        ]
        return python("\n".join(lines))


def _constructor(encoder: Encoder) -> tuple[str, dict[str, Any]]:
    """The class in torchvision and its arguments as Python, names of classes as text."""
    backbone: Any = encoder.backbone
    if isinstance(backbone, ResNet):
        stages = [getattr(backbone, f"layer{i}") for i in (1, 2, 3, 4)]
        first = stages[0][0]
        if type(first) not in _BLOCKS:
            raise _unknown(encoder, f"its block {type(first).__name__}")
        widths = tuple(stage[0].bn2.num_features for stage in stages)
        arguments = {"block": _BLOCKS[type(first)], "layers": [len(stage) for stage in stages]}
        if isinstance(first, Bottleneck) and (first.conv2.groups, widths[0]) != (1, 64):
            groups = first.conv2.groups
            return "ResNet", arguments | {"groups": groups, "width_per_group": widths[0] // groups}
        if widths != _WIDTHS:
            raise _unknown(encoder, f"widths {widths} of its stages (torchvision's are {_WIDTHS})")
        return "ResNet", arguments
    if isinstance(backbone, VisionTransformer):
        block: Any = backbone.blocks[0]
        return "VisionTransformer", {
            "image_size": backbone.patch_embed.img_size[0],
            "patch_size": backbone.patch_embed.patch_size[0],
            "num_layers": len(backbone.blocks),
            "num_heads": block.attn.num_heads,
            "hidden_dim": backbone.embed_dim,
            "mlp_dim": block.mlp.fc1.out_features,
        }
    raise _unknown(encoder, f"such a network ({type(backbone).__name__})")


def _network(encoder: Encoder) -> tuple[nn.Module, list[tuple[str, nn.Module, str]]]:
    """The network of torchvision, and what is to be replaced in it: path, layer and its Python."""
    kind, arguments = _constructor(encoder)
    module = resnet if kind == "ResNet" else vision_transformer
    classes = {n: getattr(module, x) for n, x in arguments.items() if isinstance(x, str)}
    network: nn.Module = getattr(module, kind)(**(arguments | classes))
    head, stem = ("heads", "conv_proj") if kind == "VisionTransformer" else ("fc", "conv1")
    old: Any = network.get_submodule(stem)
    changes: list[tuple[str, nn.Module, str]] = [(head, nn.Identity(), "torch.nn.Identity()")]
    _, of_timm = timm_network(encoder)  # a plain ResNet's stem has the same names in both
    small: list[tuple[str, nn.Module, str]] = [(c.path, c.layer, c.text) for c in of_timm]
    if not small and encoder.in_channels != 3:
        side, stride, padding = old.kernel_size[0], old.stride[0], old.padding[0]
        sizes: tuple[Any, ...] = (encoder.in_channels, old.out_channels, side)
        more: dict[str, Any] = {"stride": stride, "padding": padding, "bias": old.bias is not None}
        given = ", ".join([*map(str, sizes), *(f"{n}={x}" for n, x in more.items())])
        small = [(stem, nn.Conv2d(*sizes, **more), f"torch.nn.Conv2d({given})")]
    return network, changes + small


def _unknown(encoder: Encoder, what: str) -> ValueError:
    return ValueError(
        f"export: torchvision has no counterpart of {encoder.name} as it is here: {what}. Use --to "
        "timm or --to onnx."
    )
