"""The encoder: a timm backbone that knows its input, its statistics and its specification.

Shapes: B images, C channels, S side of the square input, F feature width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from sslkit.nn.backbone import build_backbone, fixed_size, take_weights
from sslkit.nn.normalisation import replace_batch_norm
from sslkit.nn.small_stem import use_small_stem
from sslkit.nn.specification import check_specification, plain
from sslkit.nn.weights import load_backbone_weights


class Encoder(nn.Module):
    """Any timm backbone, from images to pooled features.

    Args:
        name: A timm model name, CNN or ViT (``resnet50``, ``vit_small_patch16_224``, ...).
        small_images: Replace the first convolution by a 3x3 of stride 1 and drop the pooling that
            follows it, as SimCLR does for CIFAR (Chen et al. 2020, appendix B.9). For images of at
            most 64 px.
        in_channels: Channels of the images, at least 1.
        image_size: Side S in pixels of the images that the encoder sees. None: what the views
            produce, see `fit_to`. A ViT with position embeddings for another size is built for this
            one.
        weights: A local file of backbone weights: ``.safetensors``, ``.pth``, or a checkpoint of
            this toolkit, torchvision, lightly, solo-learn, MoCo, Barlow Twins or SimCLR. Heads and
            other branches are left out, and all of the backbone must fit.
        norm: ``batch``: normalisation as the backbone has it. ``group``: without batch statistics,
            as in BYOL without batch normalisation (Richemond et al. 2020): group normalisation of
            16 groups in place of every batch normalisation, and standardised convolution weights.
        channels_last: Memory format of weights and activations. None: channels-last for
            convolutional backbones, where it is faster, and not for transformers.
        options: Further keyword arguments of the timm model, for example
            ``{"layers": [1, 1, 1, 1], "channels": [16, 32, 64, 128]}``.

    Raises:
        ValueError: If timm has no such model, an option is reserved or unknown, the backbone has
            no convolutional stem that ``small_images`` could replace or no batch normalisation that
            ``norm`` could, or the weights do not fit.
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
        norm: Literal["batch", "group"] = "batch",
        channels_last: bool | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1:
            raise ValueError(f"in_channels must be at least 1, got {in_channels}.")
        if image_size is not None and image_size < 1:
            raise ValueError(f"image_size must be at least 1 pixel or None, got {image_size}.")
        if norm not in ("batch", "group"):
            raise ValueError(f"norm must be 'batch' or 'group', got {norm!r}.")
        self.name = name
        self.small_images = small_images
        self.in_channels = in_channels
        self.image_size = image_size
        self.norm = norm
        self.options = dict(options or {})
        self.backbone = self._build(image_size)
        self._has_weights = weights is not None
        if weights is not None:
            load_backbone_weights(self.backbone, weights)
        if channels_last is None:
            channels_last = sum(isinstance(m, nn.Conv2d) for m in self.backbone.modules()) > 1
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.backbone.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self._only_size = fixed_size(self.backbone, image_size)
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
        """Normalised images (B,C,S,S) -> pooled features (B,F), in the precision of the weights.

        Raises:
            TypeError: If the images are integers, so not normalised.
            ValueError: If the backbone is built for images of another size.
        """
        if not x.is_floating_point():
            raise TypeError(
                f"the encoder takes normalised float images, got {x.dtype}: pass them through "
                "encoder.preprocess() first."
            )
        if self._only_size is not None and tuple(x.shape[-2:]) != self._only_size:
            raise ValueError(
                f"{self.name} is built for images of {_pixels(self._only_size)}, got "
                f"{_pixels(x.shape[-2:])}: give the encoder image_size={x.shape[-1]}, or make the "
                "views as large as the encoder needs."
            )
        # Views are float32 whatever the trainer's precision; autocast converts them itself.
        dtype = next(self.backbone.parameters()).dtype
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            x = x.to(dtype)
        return self.backbone(x.contiguous(memory_format=self.memory_format))

    def fit_to(self, sizes: Sequence[int]) -> None:
        """Take the size of the views over as ``image_size``, unless one was given.

        To be called before anything holds on to the parameters (an optimiser, a momentum branch):
        a backbone that is built for one size, like a ViT, is built again for this one. It keeps its
        weights, except for those that depend on the size (position embeddings), which are resampled
        if they came from a file and start anew otherwise.

        Args:
            sizes: Sides of the views in pixels, one for each view.

        Raises:
            ValueError: If the backbone takes images of one size only, and the views have others or
                its weights cannot be fitted to them.
        """
        sides = sorted(set(sizes))
        if self.image_size is None and len(sides) == 1:
            if self._only_size not in (None, (sides[0], sides[0])):
                self._build_again(sides[0])
            self.image_size = sides[0]
        elif self._only_size is not None and any((s, s) != self._only_size for s in sides):
            raise ValueError(
                f"{self.name} takes images of one size, with image_size={self.image_size} of "
                f"{_pixels(self._only_size)}, and the views have {', '.join(map(str, sides))} "
                "pixels: make image_size and the views' size agree, or for views of several sizes "
                "use a backbone that takes any (for a ViT, options={'dynamic_img_size': True})."
            )

    def _build(self, image_size: int | None) -> nn.Module:
        backbone = build_backbone(self.name, self.in_channels, image_size, self.options)
        if self.small_images:
            use_small_stem(backbone, self.name)
        if self.norm == "group":
            replace_batch_norm(backbone)
        return backbone

    def _build_again(self, side: int) -> None:
        old, new = self.backbone, self._build(side)
        take_weights(new, old, side, resample=self._has_weights)
        weight = next(old.parameters())
        new.to(weight.device, weight.dtype)
        new.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.backbone = new.train(old.training)
        self._only_size = fixed_size(new, side)

    def spec(self) -> dict[str, Any]:
        """The plain description from which `from_spec` builds the same architecture."""
        return {
            "name": self.name,
            "small_images": self.small_images,
            "in_channels": self.in_channels,
            "image_size": self.image_size,
            "channels_last": self.memory_format is torch.channels_last,
            "norm": self.norm,
            "options": plain(self.options),
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Encoder:
        """An encoder with fresh weights from what `spec` returned; nothing is imported by name.

        Raises:
            ValueError: If the specification is not what `spec` returns: it may be a stranger's.
        """
        check_specification(spec)
        return cls(**spec)

    def reinitialised(self, seed: int) -> Encoder:
        """The same architecture and statistics with random weights; global RNGs are left alone."""
        # Weights are drawn on the CPU. Only its generator is seeded, and put back:
        # torch.manual_seed would seed those of every GPU too.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            fresh = Encoder.from_spec(self.spec())
            fresh.set_statistics(self.mean.tolist(), self.std.tolist())
        return fresh.to(self.mean.device)


def _pixels(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]} pixels"
