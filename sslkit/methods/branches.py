"""How views pass through the branches: which, together or one by one, and how targets follow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from sslkit.nn import MomentumBranch, MomentumSchedule, momentum_at
from sslkit.objectives import Routes

if TYPE_CHECKING:
    from sslkit.methods.joint_embedding import JointEmbedding


@dataclass(frozen=True)
class Momentum:
    """How the momentum branches follow the online one, after every optimiser step.

    Attributes:
        base: Momentum of the first update, in [0, 1].
        schedule: ``constant``, or ``cosine`` from ``base`` to 1 over the run.
        alternate: With two branches, move only one of them in each step, in turn.
        shuffle: Encode keys in an order shuffled across ranks (MoCo's ShuffleBN).

    Raises:
        ValueError: If ``base`` is outside [0, 1].
    """

    base: float
    schedule: MomentumSchedule = "cosine"
    alternate: bool = False
    shuffle: bool = False

    def __post_init__(self) -> None:
        # The first update is refused now, and not after the first step of a run.
        momentum_at(0, base=self.base, total_steps=1, schedule=self.schedule)


def through(module: nn.Module, views: Sequence[Tensor], *, jointly: bool) -> Tensor:
    """Send V tensors of B rows through a module.

    Args:
        module: (B, ...) -> (B, F).
        views: V tensors (B, ...).
        jointly: Views of one size together, so that batch statistics are those of all of them;
            otherwise one view after the other.

    Returns:
        (V, B, F), in the order of the views.
    """
    if not jointly:
        return torch.stack([module(view) for view in views])
    out: dict[int, Tensor] = {}
    for shape in dict.fromkeys(view.shape for view in views):
        same = [i for i, view in enumerate(views) if view.shape == shape]
        together = module(torch.cat([views[i] for i in same]))
        out.update(zip(same, together.unflatten(0, (len(same), -1)).unbind(), strict=True))
    return torch.stack([out[i] for i in range(len(views))])


def targets(routes: Routes) -> list[tuple[int, ...]]:
    """The views of each target branch that the routes ask for."""
    return [views for views in (routes.target, routes.second_target) if views]


def check_views(views: Sequence[Tensor], method: "JointEmbedding") -> None:
    """Refuse a batch that the objective cannot compare.

    Args:
        views: V tensors of B images.
        method: Whose objective it is.

    Raises:
        ValueError: If there is one image, or fewer views than the objective's routes name.
    """
    routes = method.objective.routes
    needed = 1 + max(*routes.online, *routes.target, *routes.second_target)
    if needed > len(views):
        raise ValueError(
            f"{type(method.objective).__name__} needs {needed} views of each image and the batch "
            f"has {len(views)}: use views that make as many."
        )
    if len(views[0]) < 2:
        raise ValueError(
            f"{type(method).__name__} got a batch of {len(views[0])} image, which has nothing to "
            "be compared with: use a batch_size of at least 2 (better 64 or more)."
        )


def follow(
    branches: Iterable[nn.Module],
    online: Iterable[nn.Module],
    momentum: Momentum,
    step: int,
    total_steps: int,
) -> None:
    """Move the momentum branches after an optimiser step.

    Args:
        branches: A `MomentumBranch` for each target of the routes.
        online: Encoder and projector.
        momentum: How they follow.
        step: Optimiser steps before that one.
        total_steps: Optimiser steps of the whole run.
    """
    at = momentum_at(step, base=momentum.base, total_steps=total_steps, schedule=momentum.schedule)
    moving, online = tuple(branches), tuple(online)
    if momentum.alternate:
        moving = (moving[step % len(moving)],)
    for branch in moving:
        cast(MomentumBranch, branch).follow(online, at)
