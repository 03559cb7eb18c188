"""A stem for small images: one that keeps their resolution."""

from typing import Any

from torch import nn

from sslkit.nn.backbone import fixed_size

_POOLS = (nn.MaxPool2d, nn.AvgPool2d)


def use_small_stem(backbone: nn.Module, name: str) -> None:
    """Replace the first convolution by a 3x3 of stride 1 and drop the pooling that follows it.

    The pooling is the first one beside the stem's convolutions or beside the stem as a whole, with
    the padding that belongs to it; a network that shrinks the image by another strided convolution
    (or in its first stage) has none, and stays as it is there.

    Args:
        backbone: A timm model; changed in place.
        name: What messages call it.

    Raises:
        ValueError: If it does not begin with one convolution, if that has stride 1 already, or if
            the backbone is built for one input size.
    """
    config: Any = getattr(backbone, "pretrained_cfg", {})
    path = config.get("first_conv")
    stem = backbone.get_submodule(path) if isinstance(path, str) else None
    if not isinstance(stem, nn.Conv2d) or "embed" in str(path):
        raise ValueError(
            f"small_images=True needs a backbone whose stem begins with one convolution, and "
            f"{name!r} has no such stem. For a ViT give image_size and options={{'patch_size': 4}} "
            "instead."
        )
    if fixed_size(backbone, None) is not None:
        raise ValueError(
            f"small_images=True makes the feature maps larger, and {name!r} is built for one size "
            "of them. Give image_size instead, or use another backbone, such as a ResNet."
        )
    if max(stem.stride) == 1:
        raise ValueError(
            f"small_images=True keeps the resolution that a stem throws away, and the first "
            f"convolution of {name!r} keeps it as it is: leave small_images out."
        )
    path = str(path)
    _drop_pooling(backbone, path)
    small = nn.Conv2d(
        stem.in_channels, stem.out_channels, 3, stride=1, padding=1, bias=stem.bias is not None
    )
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    parent, _, leaf = path.rpartition(".")
    setattr(backbone.get_submodule(parent), leaf, small)


def _drop_pooling(backbone: nn.Module, stem: str) -> None:
    modules = list(backbone.named_modules())
    start = [path for path, _ in modules].index(stem)
    padding: list[str] = []
    for path, module in modules[start + 1 :]:
        parent, _, leaf = path.rpartition(".")
        # A pooling deeper in than the stem belongs to a block, whose shortcut has one too.
        beside = not parent or stem.startswith(f"{parent}.")
        if isinstance(module, nn.ConstantPad2d) and beside:
            padding.append(path)
        elif beside and (leaf == "maxpool" or _pools(module)):
            for name in (*padding, path):
                above, _, last = name.rpartition(".")
                setattr(backbone.get_submodule(above), last, nn.Identity())
            return
        elif isinstance(module, nn.Conv2d) and max(module.stride) > 1:
            return


def _pools(module: nn.Module) -> bool:
    """A pooling layer, or a few layers that pool together and have no weights."""
    if isinstance(module, nn.Sequential):
        return not any(True for _ in module.parameters()) and any(map(_pools, module.children()))
    return isinstance(module, _POOLS)
