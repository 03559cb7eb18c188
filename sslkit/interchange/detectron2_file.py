"""Weights under detectron2's names of a ResNet, for ``MODEL.WEIGHTS``.

The converter of the MoCo repository writes a pickled dictionary of arrays, and to open one is to
run what it says. detectron2's checkpointer also reads ``.pth`` files and matches their names to the
model's in the same way, so that this is a ``.pth`` of plain tensors.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from timm.models.resnet import ResNet
from torch import Tensor
from torch.nn import functional

from sslkit.interchange.target import Features, Target, refuse_group_norm
from sslkit.nn import Encoder
from sslkit.nn.key_names import resnet_to_detectron2

_EPS = 1e-5


class Detectron2File(Target):
    """A ``.pth`` with the one entry ``model``.

    detectron2 is seldom installed beside other things (it has no wheels), so the file is read by a
    ResNet of its own here, which follows detectron2's names and rules: the stem is 7x7 of stride 2,
    then a maximum over 3x3 of stride 2; a block has a shortcut where the tensors have one; a stage
    after the first begins with stride 2, in the block's first 3x3 convolution.
    """

    suffixes = (".pth",)
    library = "detectron2"

    def write(self, encoder: Encoder, path: Path) -> None:
        """Write the tensors."""
        refuse_group_norm(encoder, self.library)
        if not isinstance(encoder.backbone, ResNet) or encoder.small_images:
            what = f"{encoder.name} with a stem for small images" if encoder.small_images else ""
            raise ValueError(
                f"export: detectron2's backbone is a ResNet with a 7x7 stem of stride 2, and this "
                f"is {what or encoder.name}: use --to timm, torchvision or onnx."
            )
        try:
            state = resnet_to_detectron2(encoder.backbone.state_dict())
        except KeyError as error:
            raise ValueError(
                f"export: detectron2's ResNet has no counterpart of the tensor {error} of "
                f"{encoder.name}: use --to timm or onnx."
            ) from error
        torch.save({"model": {n: x.contiguous() for n, x in state.items()}}, path)

    def read(self, encoder: Encoder, path: Path) -> Features:
        """The ResNet that detectron2 would build, as a function of the file's tensors."""
        tensors = torch.load(path, weights_only=True)["model"]
        return lambda images: resnet_features(tensors, images)

    def usage(self, encoder: Encoder, name: str) -> str:
        """The lines of a detectron2 config, whose own defaults are for other ResNets."""
        mean = [round(255 * x, 3) for x in encoder.mean.tolist()]
        std = [round(255 * x, 3) for x in encoder.std.tolist()]
        depth = "".join(c for c in encoder.name.split("_")[0].split(".")[0] if c.isdigit())
        return "\n".join(
            [
                "In the config (pixels from 0 to 255, in the order of the training data, and the",
                "stride in the 3x3 convolution, as in torchvision):",
                "",
                "```yaml",
                "MODEL:",
                f"  WEIGHTS: {name}",
                f"  PIXEL_MEAN: {mean}",
                f"  PIXEL_STD: {std}",
                "  RESNETS:",
                *([f"    DEPTH: {depth}"] if depth else []),
                "    STRIDE_IN_1X1: false",
                "INPUT:",
                "  FORMAT: RGB",
                "```",
            ]
        )


def resnet_features(tensors: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Features of a ResNet given by tensors under detectron2's names.

    Args:
        tensors: All tensors of the backbone.
        images: (B,C,S,S) normalised.

    Returns:
        (B,F): the last stage's maps, averaged.

    Raises:
        ValueError: If a tensor was not used.
    """
    used: set[str] = set()

    def take(name: str) -> Tensor:
        used.add(name)
        return tensors[name]

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = take(f"{name}.weight")
        x = functional.conv2d(
            x,
            weight,
            stride=stride,
            padding=weight.shape[-1] // 2,
            groups=x.shape[1] // weight.shape[1],
        )
        mean, variance, scale, offset = (
            take(f"{name}.norm.{part}")
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        used.add(f"{name}.norm.num_batches_tracked")  # of training only
        return functional.batch_norm(x, mean, variance, scale, offset, eps=_EPS)

    x = functional.relu(conv("stem.conv1", images, 2))
    x = functional.max_pool2d(x, 3, 2, padding=1)
    for stage in (2, 3, 4, 5):
        block = 0
        while f"res{stage}.{block}.conv1.weight" in tensors:
            name = f"res{stage}.{block}"
            stride = 2 if stage > 2 and block == 0 else 1
            convolutions = [c for c in (1, 2, 3) if f"{name}.conv{c}.weight" in tensors]
            # The first that sees neighbours: a basic block's first, a bottleneck's second.
            strided = next(
                c for c in convolutions if tensors[f"{name}.conv{c}.weight"].shape[-1] == 3
            )
            out = x
            for c in convolutions:
                out = conv(f"{name}.conv{c}", out, stride if c == strided else 1)
                out = functional.relu(out) if c < convolutions[-1] else out
            has_shortcut = f"{name}.shortcut.weight" in tensors
            x = functional.relu(out + (conv(f"{name}.shortcut", x, stride) if has_shortcut else x))
            block += 1
    if left := sorted(tensors.keys() - used):
        raise ValueError(f"export: detectron2's ResNet does not use {', '.join(left[:5])}.")
    return x.mean((2, 3))
