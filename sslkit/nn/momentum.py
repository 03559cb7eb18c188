"""The momentum branch: a copy of the online network that follows it slowly, without gradient."""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Literal, Self

import torch
from torch import Tensor, nn

from sslkit.distributed import gather_no_grad, rank
from sslkit.seeding import counter_generator, global_seed

# Keeps the permutations apart from other draws that count the seed too.
_SHUFFLE = 6701

MomentumSchedule = Literal["constant", "cosine"]


class MomentumBranch(nn.Module):
    """Encoder and projector as an exponential moving average of the online ones.

    It starts as a copy. Only parameters are averaged: the running statistics of batch
    normalisation are those of its own forward passes, which run in train mode, as in the code of
    MoCo and BYOL. It stays in float32 when the online network is trained in 16 bits throughout, in
    which a step of the average would mostly be rounded away.

    Args:
        modules: The online modules in the order in which they apply; copied.
        shuffle: Shuffle the rows across ranks before encoding and put them back after it
            (ShuffleBN; He et al. 2020, section 3.3), so that batch statistics, which are a rank's
            own, do not tell a query which key is its own. It costs a gather of the images. On one
            rank it does the same for the parts of a batch that `split_batch_norm` makes.
    """

    def __init__(self, modules: Iterable[nn.Module], *, shuffle: bool = False) -> None:
        super().__init__()
        self.shuffle = shuffle
        self.shuffles = 0
        self.layers = copy.deepcopy(nn.ModuleList(modules))
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Views (B,C,S,S) -> embeddings (B,D), without gradient."""
        if not self.shuffle:
            return self._encode(x)
        everyone = gather_no_grad(x)
        # The same permutation on every rank, another one at every call, also after a resume.
        order = torch.randperm(
            len(everyone), generator=counter_generator(_SHUFFLE, global_seed(), self.shuffles)
        ).to(x.device)
        self.shuffles += 1
        mine = slice(rank() * len(x), (rank() + 1) * len(x))
        encoded = gather_no_grad(self._encode(everyone[order[mine]]))
        return encoded[order.argsort()[mine]]

    def _encode(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def get_extra_state(self) -> int:
        """How often rows were shuffled; a number on the host, so that no step waits for it."""
        return self.shuffles

    def set_extra_state(self, state: int) -> None:
        """Go on counting there."""
        self.shuffles = state

    @torch.no_grad()
    def follow(self, modules: Iterable[nn.Module], momentum: float) -> None:
        """Move every parameter to ``momentum * own + (1 - momentum) * online``.

        Args:
            modules: The online modules, in the order given to the constructor.
            momentum: 1 keeps the branch as it is, 0 copies the online parameters.
        """
        # A list of modules counts a parameter that two of them share once, as this one does.
        pairs = zip(self.parameters(), nn.ModuleList(modules).parameters(), strict=True)
        own, online = zip(*((mine, its.to(mine.dtype)) for mine, its in pairs), strict=True)
        # torch documents the fused `foreach` operations and exports them under private names only.
        torch._foreach_lerp_(own, online, 1 - momentum)  # pyright: ignore[reportPrivateImportUsage]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `to`, `half` and the like go through; see the class on 16 bits."""

        def wide(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            if not moved.is_floating_point():
                return moved
            return moved.to(torch.promote_types(moved.dtype, torch.float32))

        return super()._apply(wide, recurse)


def momentum_at(step: int, *, base: float, total_steps: int, schedule: MomentumSchedule) -> float:
    """The momentum of the update after an optimiser step.

    ``constant`` is ``base`` (MoCo v1, v2). ``cosine`` rises from ``base`` to 1 as
    1 - (1 - base) (1 + cos(pi t/T)) / 2 (Grill et al. 2020, section 3.2; MoCo v3).

    Args:
        step: t, optimiser steps before this one, from 0.
        base: Momentum of the first update, in [0, 1].
        total_steps: T, optimiser steps of the whole run.
        schedule: Which of the two.

    Raises:
        ValueError: If ``base`` is outside [0, 1].
    """
    if not 0 <= base <= 1:
        raise ValueError(f"momentum must be between 0 and 1, got {base}: 1 freezes the branch.")
    if schedule == "constant":
        return base
    progress = min(step, total_steps) / total_steps
    return 1 - (1 - base) * (1 + math.cos(math.pi * progress)) / 2
