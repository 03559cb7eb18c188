"""Backbone weights from a local file, strict on everything but the classifier."""

from pathlib import Path

from timm.models import load_state_dict
from torch import Tensor, nn

# How files of this toolkit name the backbone's tensors.
BACKBONE_PREFIX = "encoder.backbone."


def load_backbone_weights(backbone: nn.Module, path: Path | str) -> None:
    """Load a file's weights into a headless backbone.

    The file may be a timm or torchvision state dict (``.safetensors`` or a pickle of tensors
    only) or a training checkpoint of this toolkit. The classifier in it, if any, is left aside.

    Args:
        backbone: The timm model without its classifier.
        path: A local file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If tensors of the backbone are missing in the file or have another shape.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {path}.")
    state: dict[str, Tensor] = load_state_dict(str(path), use_ema=False, weights_only=True)
    if any(name.startswith(BACKBONE_PREFIX) for name in state):
        state = {
            name.removeprefix(BACKBONE_PREFIX): tensor
            for name, tensor in state.items()
            if name.startswith(BACKBONE_PREFIX)
        }
    own = backbone.state_dict()
    wrong_shape = [n for n in own if n in state and own[n].shape != state[n].shape]
    missing = [n for n in own if n not in state]
    if wrong_shape or missing:
        first = (wrong_shape + missing)[0]
        raise ValueError(
            f"weights: {path.name} does not fit this backbone: {len(missing)} of {len(own)} "
            f"tensors "
            f"are missing and {len(wrong_shape)} have another shape (first: {first}). Check the "
            "encoder's name, options, in_channels and small_images."
        )
    backbone.load_state_dict({name: state[name] for name in own})
