"""Pairs of either source, for the tests of plug-ins that choose and weigh negatives."""

from typing import Any

import torch
from torch import Tensor

from sslkit.functional import unit_rows
from sslkit.negatives.pairs import Info, Pairs
from sslkit.negatives.plugin import PluginSchedule, Progress
from sslkit.negatives.sources import InBatch, Queue
from sslkit.objectives.pair_losses import InfoNCE

HALF = PluginSchedule(ramp=2, unit="steps")  # strength 0.5 at step 0


def begun(plugin: Any, *, step: int = 0, batch: int = 0) -> Any:
    """The plug-in, told where the run stands."""
    plugin.begin(Progress(step=step, batch=batch), 0)
    return plugin


def rows(n: int, d: int = 6, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def infos(query: Tensor, bank: Tensor, query_index: Tensor, bank_index: Tensor) -> dict[str, Info]:
    """A guide that sees the given features (raw)."""
    return {
        "query_info": Info(torch.full_like(query_index, -1), query_index, unit_rows(query)),
        "bank_info": Info(torch.full_like(bank_index, -1), bank_index, unit_rows(bank)),
    }


def batch_pairs(n: int = 5, *, temperature: float = 0.3, index: Tensor | None = None) -> Pairs:
    """2n anchors of a batch; a guide sees features of its own."""
    z1, shift = rows(n), rows(n, seed=1)
    z2 = z1 + shift
    z1.requires_grad_()
    guide = torch.cat([rows(n, 4, seed=2), rows(n, 4, seed=2) + 0.6 * rows(n, 4, seed=3)])
    index = torch.arange(n) if index is None else index
    info = infos(guide, guide, index.repeat(2), index.repeat(2))
    source = InBatch(temperature, InfoNCE())
    return source(z1, z2, z1, z2, offset=0, **info)


def queue_pairs(n: int = 4, k: int = 12, *, temperature: float = 0.3) -> Pairs:
    """n queries and a queue of k rows; a guide sees features of its own."""
    q, keys, queue = rows(n), rows(n, seed=1), unit_rows(rows(k, seed=2))
    info = infos(rows(n, 4, seed=3), rows(k, 4, seed=4), torch.arange(n), torch.arange(k) + n)
    return Queue(temperature, InfoNCE())(q.requires_grad_(), keys, queue, **info)
