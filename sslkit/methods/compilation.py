"""`torch.compile` for the networks of a method."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytorch_lightning.utilities import rank_zero_info
from torch import nn

from sslkit.nn import Encoder

if TYPE_CHECKING:
    from sslkit.methods.joint_embedding import JointEmbedding


def compile_networks(method: "JointEmbedding") -> None:
    """Compile backbone, heads and momentum branches in place, before the first step.

    In place, a module keeps its name, so a checkpoint has the keys of a run without. Loss and views
    stay as they are.

    Args:
        method: What is trained.
    """
    networks = list(_networks(method))
    for network in networks:
        network.compile()
    rank_zero_info(
        f"torch.compile: {len(networks)} networks are compiled in the first step, which takes "
        "longer for it."
    )


def _networks(method: "JointEmbedding") -> Iterator[nn.Module]:
    parts: list[nn.Module] = [method.encoder, method.projector]
    if method.predictor is not None:
        parts.append(method.predictor)
    for branch in method.momentum_branches:
        parts.extend(branch.layers)  # pyright: ignore[reportArgumentType]  # a MomentumBranch's
    for part in parts:
        # What an encoder does beside its backbone is checks of its input.
        yield part.backbone if isinstance(part, Encoder) else part
