"""`torch.compile` for the networks of a method."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytorch_lightning.utilities import rank_zero_info
from torch import nn

from sslkit.nn import Encoder

if TYPE_CHECKING:
    from sslkit.methods.joint_embedding import JointEmbedding


def compile_networks(networks: Iterable[nn.Module]) -> None:
    """Compile networks in place, before the first step; of an encoder its backbone.

    In place, a module keeps its name, so a checkpoint has the keys of a run without. Loss and views
    stay as they are.

    Args:
        networks: What is trained, and what follows it.
    """
    # What an encoder does beside its backbone is checks of its input.
    networks = [net.backbone if isinstance(net, Encoder) else net for net in networks]
    for network in networks:
        network.compile()
    rank_zero_info(
        f"torch.compile: {len(networks)} networks are compiled in the first step, which takes "
        "longer for it."
    )


def networks(method: "JointEmbedding") -> Iterator[nn.Module]:
    """Encoder, heads and momentum branches."""
    yield from (method.encoder, method.projector)
    if method.predictor is not None:
        yield method.predictor
    for branch in method.momentum_branches:
        yield from branch.get_submodule("layers").children()
