"""Where other libraries keep a backbone in their checkpoints, recognised by the names of tensors.

A checkpoint is only tensors under names here: nothing in it decides what is built or imported.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from sslkit.nn.key_names import (
    numbered_resnet_to_timm,
    vision_transformer_to_timm,
    with_downsample,
)

Names = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

# How checkpoints of this toolkit name the backbone's tensors.
BACKBONE_PREFIX = "encoder.backbone."

# What a name of the trained branch begins with, and whose checkpoints are so. The branch of the
# targets (encoder_k, momentum_encoder, backbone_momentum, ...) is in none of these.
_PREFIXES = {
    "": "the backbone alone",
    BACKBONE_PREFIX: "sslkit",
    "encoder_q.": "MoCo",
    "base_encoder.": "MoCo v3",
    "backbone.": "lightly, solo-learn, Barlow Twins or SimCLR",
    "encoder.": "SimSiam, SimCLR or early solo-learn",
    "f.": "SimCLR",
}
_WRAPPERS = ("_orig_mod.", "module.")


@dataclass(frozen=True)
class Found:
    """The part of a checkpoint that is taken for the backbone.

    Attributes:
        layout: Whose checkpoints are like this.
        prefix: What the names of the backbone's tensors begin with in the file.
        state: The tensors by timm's names, with a classifier that may be among them.
        outside: Names of the tensors that belong to other parts.
    """

    layout: str
    prefix: str
    state: dict[str, Tensor]
    outside: tuple[str, ...]


def find_backbone(state: Mapping[str, Tensor], names: Iterable[str]) -> Found:
    """Find a backbone in a checkpoint.

    Args:
        state: All tensors of the checkpoint by their names.
        names: Those of the backbone, in timm.

    Returns:
        The first layout with every tensor of the backbone; where there is none, that with most of
        them, for a message that says what is missing.
    """
    state = {_unwrapped(name): x for name, x in state.items()}
    wanted = set(names)
    found = [
        Found(layout, prefix, translate(part), outside)
        for prefix, layout in _PREFIXES.items()
        for part, outside in [_split(state, prefix)]
        if part
        for translate in _NAMES
    ]
    return max(found, key=lambda f: len(wanted & f.state.keys()))  # of equals the first


def _split(state: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    part = {n.removeprefix(prefix): x for n, x in state.items() if n.startswith(prefix)}
    return part, tuple(n for n in state if not n.startswith(prefix))


def tally(names: Iterable[str], prefix: str = "") -> str:
    """Names by their first part (the first after a prefix) and their number: ``queue (1)``."""

    def part(name: str) -> str:
        inside = prefix if name.startswith(prefix) else ""
        return inside + name.removeprefix(inside).split(".")[0]

    count = Counter(map(part, names))
    return ", ".join(f"{first} ({number})" for first, number in count.items())


def _unwrapped(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.split(".", 1)[1]
    return name


# Names as they are come first: of two readings of a file the plain one is meant.
_NAMES: tuple[Names, ...] = (
    dict,
    vision_transformer_to_timm,
    with_downsample,
    numbered_resnet_to_timm,
)
