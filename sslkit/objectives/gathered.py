"""What the objectives do with the views of all ranks, stated once.

Notation: V views, B images on this rank, N = W·B on all W ranks, D embedding size.
"""

from typing import NamedTuple

from torch import Tensor

from sslkit.distributed import gather, rank
from sslkit.functional.normalise import widen

_NUMBERS = {1: "one view", 2: "two views", 3: "three views", 4: "four views"}


class Block(NamedTuple):
    """Two views of the local images, and of all images.

    Attributes:
        z1: (B, D) local first views.
        z2: (B, D) local second views.
        all1: (N, D) first views of all ranks, with gradient.
        all2: (N, D) second views of all ranks, with gradient.
        offset: Row of ``all1`` where ``z1`` begins.
    """

    z1: Tensor
    z2: Tensor
    all1: Tensor
    all2: Tensor
    offset: int


def gather_block(online: Tensor, objective: str) -> Block:
    """Gather two views from all ranks, with gradient.

    Args:
        online: (2, B, D) raw embeddings of the two views.
        objective: Who asks, for the message.

    Returns:
        The block in at least float32.

    Raises:
        ValueError: If ``online`` is not two views of B embeddings.
    """
    check_views(online, 2, "online", objective)
    z = widen(online)
    everyone = gather_views(z)
    if everyone is z:
        z1, z2 = z.unbind()
        return Block(z1, z2, z1, z2, 0)
    return Block(z[0], z[1], everyone[0], everyone[1], rank() * z.shape[1])


def gather_views(z: Tensor) -> Tensor:
    """Gather the images of all ranks, with gradient, in one message for all views.

    Widened before the gather, so that the gradients that come back from the other ranks are summed
    in float32.

    Args:
        z: (V, B, D) raw embeddings.

    Returns:
        (V, N, D) in at least float32; ``z`` itself, if it is wide, for one process.
    """
    z = widen(z)
    by_image = z.transpose(0, 1)
    everyone = gather(by_image)
    return z if everyone is by_image else everyone.transpose(0, 1)


def check_views(views: Tensor, count: int, name: str, objective: str) -> None:
    """Refuse another number of views than the objective compares.

    Args:
        views: Meant to be (count, B, D).
        count: How many views there must be.
        name: The argument's name, ``online`` or ``target``.
        objective: Who asks.

    Raises:
        ValueError: If ``views`` is not that many views of B embeddings.
    """
    if views.ndim != 3 or views.shape[0] != count:
        raise ValueError(
            f"{name} must hold {_NUMBERS.get(count, f'{count} views')}, ({count}, B, D), got shape "
            f"{tuple(views.shape)}. {objective} compares as many embeddings of each image: use "
            "views that return as many, and encode those that its routes name."
        )
