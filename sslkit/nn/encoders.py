"""The encoder: a timm backbone that knows its input, its statistics and its specification.

Shapes: B images, C channels, S side of the square input, F feature width.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from sslkit.nn.weights import load_backbone_weights

# What the encoder sets itself, or what would make timm reach for files or the network.
_RESERVED_OPTIONS = frozenset(
    "pretrained pretrained_cfg pretrained_cfg_overlay checkpoint_path cache_dir scriptable "
    "exportable no_jit num_classes in_chans img_size".split()
)


class Encoder(nn.Module):
    """Any timm backbone, from images to pooled features.

    Args:
        name: A timm model name, CNN or ViT (``resnet50``, ``vit_small_patch16_224``, ...).
        small_images: Replace the stem by a 3x3 convolution of stride 1 and drop the max-pool, as
            SimCLR does for CIFAR (Chen et al. 2020, appendix B.9). For images of at most 64 px.
        in_channels: Channels of the images, at least 1.
        image_size: Side S in pixels of the images that the encoder sees. None: what the views
            produce. A ViT with position embeddings for another size is built for this one.
        weights: A local file of backbone weights (``.safetensors``, ``.pth``, or a checkpoint of
            this toolkit); its classifier is left aside, everything else must fit.
        channels_last: Memory format of weights and activations. None: channels-last for
            convolutional backbones, where it is faster, and not for transformers.
        options: Further keyword arguments of the timm model, for example
            ``{"layers": [1, 1, 1, 1], "channels": [16, 32, 64, 128]}``.

    Raises:
        ValueError: If timm has no such model, an option is reserved or unknown, or the backbone has
            no convolutional stem that ``small_images`` could replace.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str = "resnet50",
        *,
        small_images: bool = False,
        in_channels: int = 3,
        image_size: int | None = None,
        weights: Path | str | None = None,
        channels_last: bool | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1:
            raise ValueError(f"in_channels must be at least 1, got {in_channels}.")
        self.name = name
        self.small_images = small_images
        self.in_channels = in_channels
        self.image_size = image_size
        self.options = dict(options or {})
        self.backbone = _build_backbone(name, in_channels, image_size, self.options)
        if small_images:
            _use_small_stem(self.backbone, name)
        if weights is not None:
            load_backbone_weights(self.backbone, weights)
        if channels_last is None:
            channels_last = sum(isinstance(m, nn.Conv2d) for m in self.backbone.modules()) > 1
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.backbone.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        # Some timm heads widen the pooled features; head_hidden_size is the width after them.
        width = getattr(self.backbone, "head_hidden_size", None) or self.backbone.num_features
        self.num_features = int(width)  # pyright: ignore[reportArgumentType]  # timm is untyped here
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("std", torch.ones(in_channels))

    def set_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Remember the data's per-channel mean and std (scale [0, 1]), saved with the weights.

        Raises:
            ValueError: If their length is not the number of input channels.
        """
        if len(mean) != self.in_channels or len(std) != self.in_channels:
            raise ValueError(
                f"mean and std must have one value for each of the encoder's {self.in_channels} "
                f"channel(s), got {len(mean)} and {len(std)}. Set the encoder's in_channels or the "
                "data's channels so that they agree."
            )
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std))

    def preprocess(self, images: Tensor) -> Tensor:
        """Un-augmented input: resized to the encoder's size, centre-cropped, normalised.

        Args:
            images: (B,C,H,W) uint8.

        Returns:
            (B,C,S,S) float32 in the encoder's memory format; (B,C,H,W) while S is not known.

        Raises:
            ValueError: If the images have another number of channels than the encoder.
        """
        if images.shape[1] != self.in_channels:
            raise ValueError(
                f"the encoder takes {self.in_channels} channel(s) and the images have "
                f"{images.shape[1]}: convert them with the data's channels={self.in_channels}, or "
                f"build the encoder with in_channels={images.shape[1]}."
            )
        x = images.float().div_(255)
        side = self.image_size
        if side is not None and tuple(x.shape[-2:]) != (side, side):
            x = transforms.center_crop(transforms.resize(x, [side], antialias=True), [side, side])
        x = (x - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)
        return x.contiguous(memory_format=self.memory_format)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B,C,S,S) -> pooled features (B,F)."""
        return self.backbone(x.contiguous(memory_format=self.memory_format))

    def spec(self) -> dict[str, Any]:
        """The plain description from which `from_spec` builds the same architecture."""
        return {
            "name": self.name,
            "small_images": self.small_images,
            "in_channels": self.in_channels,
            "image_size": self.image_size,
            "channels_last": self.memory_format is torch.channels_last,
            "options": _plain(self.options),
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Encoder:
        """An encoder with fresh weights from what `spec` returned; nothing is imported by name."""
        return cls(**spec)

    def reinitialised(self, seed: int) -> Encoder:
        """The same architecture and statistics with random weights; global RNGs are left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = Encoder.from_spec(self.spec())
        fresh.set_statistics(self.mean.tolist(), self.std.tolist())
        return fresh.to(self.mean.device)


def _build_backbone(
    name: str, in_channels: int, image_size: int | None, options: dict[str, Any]
) -> nn.Module:
    # Only names of timm's own registry: "hf-hub:..." and the like would fetch a stranger's config.
    if not timm.is_model(name.split(".")[0]):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"encoder name: timm {timm.__version__} has no model {name!r}.{hint} "
            "timm.list_models('*resnet*') lists what there is."
        )
    reserved = sorted(_RESERVED_OPTIONS & options.keys())
    if reserved:
        raise ValueError(
            f"encoder options may not contain {', '.join(reserved)}: the encoder sets them itself. "
            "Use in_channels, image_size and weights."
        )
    pretrained = timm.get_pretrained_cfg(name)
    fixed = pretrained is not None and pretrained.fixed_input_size
    sized = {"img_size": image_size} if fixed and image_size is not None else {}
    try:
        return timm.create_model(
            name, pretrained=False, num_classes=0, in_chans=in_channels, **sized, **options
        )
    except TypeError as error:
        raise ValueError(
            f"encoder options {options} do not fit the timm model {name!r}: {error}."
        ) from error


def _use_small_stem(backbone: nn.Module, name: str) -> None:
    path = getattr(backbone, "pretrained_cfg", {}).get("first_conv")
    stem = backbone.get_submodule(path) if isinstance(path, str) else None
    if not isinstance(stem, nn.Conv2d) or "patch_embed" in str(path):
        raise ValueError(
            f"small_images=True needs a backbone with a convolutional stem, and {name!r} has none. "
            "For a ViT give image_size and options={'patch_size': 4} instead."
        )
    small = nn.Conv2d(
        stem.in_channels, stem.out_channels, 3, stride=1, padding=1, bias=stem.bias is not None
    )
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    parent, _, leaf = str(path).rpartition(".")
    setattr(backbone.get_submodule(parent), leaf, small)
    if hasattr(backbone, "maxpool"):
        backbone.maxpool = nn.Identity()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
