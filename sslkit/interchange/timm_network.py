"""An encoder's network in plain timm: how it is created, and what is replaced in it afterwards."""

from dataclasses import dataclass
from typing import Any

import timm
from torch import nn

from sslkit.nn import Encoder


@dataclass(frozen=True)
class Change:
    """A layer of timm's network that the encoder has another one for.

    Attributes:
        path: Of the layer, in timm.
        text: The other layer, as Python.
        layer: The other layer.
    """

    path: str
    text: str
    layer: nn.Module


def timm_arguments(encoder: Encoder) -> dict[str, Any]:
    """Keyword arguments of `timm.create_model` beside the name, without those at their default."""
    given: dict[str, Any] = {"num_classes": 0}
    if encoder.in_channels != 3:
        given["in_chans"] = encoder.in_channels
    config = timm.get_pretrained_cfg(encoder.name)
    if encoder.image_size is not None and config is not None and config.fixed_input_size:
        given["img_size"] = encoder.image_size
    return given | encoder.options


def stem_changes(encoder: Encoder, plain: nn.Module) -> list[Change]:
    """What ``small_images`` replaced in the stem, found by comparing the two networks.

    Args:
        encoder: The encoder.
        plain: The network as timm creates it.
    """
    changes = []
    for path, own in encoder.backbone.named_modules() if encoder.small_images else ():
        theirs = plain.get_submodule(path) if path else own
        if isinstance(own, nn.Identity) and not isinstance(theirs, nn.Identity):
            changes.append(Change(path, "torch.nn.Identity()", nn.Identity()))
        elif isinstance(own, nn.Conv2d) and isinstance(theirs, nn.Conv2d):
            if own.kernel_size != theirs.kernel_size:
                bias = own.bias is not None
                sizes = (own.in_channels, own.out_channels)
                text = f"torch.nn.Conv2d({sizes[0]}, {sizes[1]}, 3, padding=1, bias={bias})"
                changes.append(Change(path, text, nn.Conv2d(*sizes, 3, padding=1, bias=bias)))
    return changes


def timm_network(encoder: Encoder) -> tuple[nn.Module, list[Change]]:
    """A fresh network of the encoder's architecture in plain timm, in eval mode.

    Returns:
        The network, and what was replaced in it after timm had created it.
    """
    network = timm.create_model(encoder.name, **timm_arguments(encoder))
    changes = stem_changes(encoder, network)
    for change in changes:
        network.set_submodule(change.path, change.layer)
    return network.eval(), changes


def call_text(encoder: Encoder, *more: str) -> str:
    """The call of `timm.create_model` as Python.

    Args:
        encoder: The encoder.
        *more: Further arguments, as Python.
    """
    arguments = [repr(encoder.name)]
    arguments += [f"{name}={value!r}" for name, value in timm_arguments(encoder).items()]
    return f"timm.create_model({', '.join([*arguments, *more])})".replace("'", '"')
