"""From a timm model name to a backbone without a classifier, built for the size of its images."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import nn

# What the encoder sets itself, or what would make timm reach for files or the network, or return
# several feature maps.
_RESERVED_OPTIONS = frozenset(
    "pretrained pretrained_cfg pretrained_cfg_overlay checkpoint_path cache_dir scriptable "
    "exportable no_jit num_classes in_chans img_size features_only".split()
)
# Only names of timm's own registry: "hf-hub:..." and the like would fetch a stranger's config.
_NAME = re.compile(r"\w+(\.\w+)?")


def build_backbone(
    name: str, in_channels: int, image_size: int | None, options: Mapping[str, Any]
) -> nn.Module:
    """A timm model with fresh weights and no classifier.

    Args:
        name: Of timm's own registry; a tag after a dot is allowed.
        in_channels: Channels of the images.
        image_size: Side in pixels; matters to models that are built for one. None: timm's default.
        options: Further keyword arguments of the model.

    Raises:
        ValueError: If there is no such model, or its options or its size do not fit.
    """
    if not _NAME.fullmatch(name) or not timm.is_model(name.split(".")[0]):
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
    arguments = {"in_chans": in_channels, **options}
    try:
        pretrained = timm.get_pretrained_cfg(name)
        if image_size is not None and pretrained is not None and pretrained.fixed_input_size:
            arguments["img_size"] = image_size
        return timm.create_model(name, pretrained=False, num_classes=0, **arguments)
    # A model's constructor checks little of what it is given: any error may come out of it.
    except Exception as error:
        raise ValueError(
            f"encoder: the timm model {name!r} cannot be built with {arguments} "
            f"({one_line(error)}): check the encoder's name, options and image_size."
        ) from error


def fixed_size(backbone: nn.Module, image_size: int | None) -> tuple[int, int] | None:
    """Height and width in pixels of the only images that a backbone takes; None: it takes any.

    Args:
        backbone: What `build_backbone` returned.
        image_size: What it was built for.
    """
    patches = getattr(backbone, "patch_embed", None)
    config: Any = getattr(backbone, "pretrained_cfg", {})
    if not getattr(patches, "strict_img_size", config.get("fixed_input_size", False)):
        return None
    if image_size is not None:
        return image_size, image_size
    height, width = config["input_size"][-2:]
    return int(height), int(width)


def take_weights(new: nn.Module, old: nn.Module, side: int, *, resample: bool) -> None:
    """Fill a backbone with the weights of the same one that was built for another input size.

    Args:
        new: The backbone for images of ``side`` pixels.
        old: The backbone for another size; it may be changed.
        side: In pixels.
        resample: Let timm resample what depends on the size (position embeddings). Otherwise that
            stays as it was initialised: of random numbers, resampling would leave smaller ones.

    Raises:
        ValueError: If something depends on the size that timm cannot resample.
    """
    own = new.state_dict()
    fitting = _fitting(own, old)
    if resample and fitting.keys() != own.keys():
        reason = "some of its weights depend on the size in a way that timm cannot resample"
        try:
            if hasattr(old, "set_input_size"):
                old.set_input_size(img_size=(side, side))  # type: ignore[operator]
                fitting = _fitting(own, old)
        except Exception as error:  # timm's own checks are assertions and worse
            reason = one_line(error)
        if fitting.keys() != own.keys():
            raise ValueError(
                f"the encoder's weights are for images of another size than image_size={side}: "
                f"{reason}. Make the views as large as the weights need, or train without weights."
            )
    new.load_state_dict(fitting, strict=False)
    before = dict(old.named_parameters())
    for name, parameter in new.named_parameters():
        parameter.requires_grad_(before[name].requires_grad)


def one_line(error: Exception) -> str:
    """What an error says, short enough to be part of a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _fitting(own: dict[str, torch.Tensor], old: nn.Module) -> dict[str, torch.Tensor]:
    given = old.state_dict()
    return {n: given[n] for n, x in own.items() if n in given and given[n].shape == x.shape}
