"""Talking between ranks, with gradients that equal the single-process run.

Every function is the identity (or trivial) when no process group is up, so the rest of the toolkit
never asks how many processes there are. Written for gloo and nccl.

Notation: W ranks, n rows on each of them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

_Result = TypeVar("_Result")


def _running() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's position among the ranks, 0 when it is alone."""
    return dist.get_rank() if _running() else 0


def world_size() -> int:
    """How many ranks train together, 1 when this process is alone."""
    return dist.get_world_size() if _running() else 1


def gather(x: Tensor) -> Tensor:
    """Stack the rows of every rank, with the gradient of the joined computation.

    Forward is an all-gather in rank order. Backward sums over the ranks what each of them wants to
    change in the gathered rows, and keeps the own slice. When each rank then takes the *mean* loss
    over its own anchors and the parameter gradients are averaged over ranks (what DDP does), loss
    and parameter gradients equal those of one process on the joined batch; the gradient of the
    local ``x`` alone is W times its single-process value, which the averaging undoes.

    Backward communicates too, so every rank must run it.

    Args:
        x: (n, ...) tensor; n and the other sizes must be the same on every rank.

    Returns:
        (W·n, ...) tensor, rank r's rows at r·n to (r+1)·n; ``x`` itself when W = 1.
    """
    _check_rows(x, "gather")
    if world_size() == 1:
        return x
    return _Gather.apply(x)


def gather_no_grad(x: Tensor) -> Tensor:
    """Stack the rows of every rank; nothing flows back.

    Args:
        x: (n, ...) tensor of any type; all sizes must be the same on every rank.

    Returns:
        Detached (W·n, ...) tensor in rank order.
    """
    _check_rows(x, "gather_no_grad")
    return x.detach() if world_size() == 1 else _all_gather(x.detach())


def gather_objects(item: Any) -> list[Any]:
    """One plain Python value from every rank, for state that is small and saved rarely.

    Args:
        item: Anything that pickles; it may differ in size between ranks.

    Returns:
        W values in rank order, the same list on every rank.
    """
    if world_size() == 1:
        return [item]
    items: list[Any] = [None] * world_size()
    dist.all_gather_object(items, item)
    return items


def on_every_rank(work: Callable[[], _Result]) -> list[_Result]:
    """Do something on every rank and tell all of them what came of it.

    An error on one rank is one on all: none is left waiting for the others.

    Args:
        work: Returns what pickles, and may differ between ranks.

    Returns:
        W results in rank order, the same list on every rank.

    Raises:
        Exception: What ``work`` raised on this rank.
        RuntimeError: If it raised on another one; says which and why.
    """
    result: _Result | None = None
    error: Exception | None = None
    try:
        result = work()
    except Exception as caught:
        error = caught
    outcomes = gather_objects((result, None if error is None else str(error)))
    if error is not None:
        raise error
    for other, (_, problem) in enumerate(outcomes):
        if problem is not None:
            raise RuntimeError(f"rank {other} of {world_size()} could not go on: {problem}")
    return [outcome for outcome, _ in outcomes]


def mean_across_ranks(x: Tensor) -> Tensor:
    """The mean over ranks of a tensor that each of them holds; nothing flows back.

    Args:
        x: Floating-point tensor of one shape on every rank.

    Returns:
        Detached tensor of the same shape, the same on every rank.
    """
    mean = x.detach()
    if world_size() == 1:
        return mean
    mean = mean.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(mean)
    return mean.div_(world_size())


def mean_with_grad(x: Tensor) -> Tensor:
    """The mean over ranks of a tensor that each of them holds, with the joined gradient.

    For statistics of the global batch. Under the convention of `gather` (every rank takes its own
    loss, the parameter gradients are averaged over ranks), the gradient that goes back to every
    rank is the mean of what the ranks ask for. Backward communicates too, so every rank must run
    it.

    Args:
        x: Floating-point tensor of one shape on every rank, the mean over as many rows on each.

    Returns:
        Tensor of the same shape, the same on every rank; ``x`` itself when W = 1.
    """
    return x if world_size() == 1 else _Mean.apply(x)


def _check_rows(x: Tensor, name: str) -> None:
    if x.ndim == 0:
        raise ValueError(
            f"{name}() stacks rows, so x needs at least one dimension, got a scalar. "
            "Use mean_across_ranks() for a scalar, or pass x[None]."
        )


def _all_gather(x: Tensor) -> Tensor:
    x = x.contiguous()
    gathered = x.new_empty((world_size() * x.shape[0], *x.shape[1:]))
    # Its parts, as a list: the one call that all supported versions of torch have in common.
    dist.all_gather(list(gathered.chunk(world_size())), x)
    return gathered


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums over ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = x.shape[0]
        return _all_gather(x)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the names
        ctx: Any, grad: Tensor
    ) -> Tensor:
        # A copy: autograd may hand the same gradient tensor to others.
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        start = rank() * ctx.rows
        return total[start : start + ctx.rows]


class _Mean(torch.autograd.Function):
    """Mean over ranks, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return mean_across_ranks(x)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the names
        ctx: Any, grad: Tensor
    ) -> Tensor:
        return mean_across_ranks(grad)
