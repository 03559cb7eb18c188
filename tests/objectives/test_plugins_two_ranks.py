"""Plug-ins that draw, on two ranks: each draws its own, and the loss is that of one process.

The process alone makes the pairs of both ranks, one after the other, with the draws of each.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from gloo import WORLD, run_two_ranks
from tiny_plugins import plugin
from torch import Tensor

from sslkit.data import ViewBatch
from sslkit.distributed import mean_across_ranks
from sslkit.negatives import InBatch, Pairs, Progress
from sslkit.objectives import DCL, NTXent, PairObjective, QueueInfoNCE

IMAGES, DIM = 6, 4  # images on a rank
# In the batch NegativeInterpolation mixes the rows of all ranks, by a permutation of each rank's.
LISTS = {
    "mixing": ["HardNegativeMixing"],
    "transformation": ["PositiveExtrapolation", "NegativeInterpolation"],
    "ambiguous and noise": ["AmbiguousNegatives", "NoiseNegatives"],
}
OBJECTIVES: dict[str, Any] = {
    "nt-xent": lambda plugins: NTXent(temperature=0.3, plugins=plugins),
    "dcl": lambda plugins: DCL(temperature=0.3, plugins=plugins),
    "moco": lambda plugins: QueueInfoNCE(dim=DIM, queue_size=20, temperature=0.3, plugins=plugins),
}
CASES = [(name, which) for name in OBJECTIVES for which in LISTS]
pytestmark = pytest.mark.slow  # two processes


def build(name: str, which: str) -> PairObjective:
    return OBJECTIVES[name]([plugin(part) for part in LISTS[which]]).double()


def embeddings(rank: int) -> Tensor:
    """(2, B, D) raw, other ones on each rank."""
    generator = torch.Generator().manual_seed(rank)
    image = torch.randn(1, IMAGES, DIM, generator=generator, dtype=torch.float64)
    return image + torch.randn(2, IMAGES, DIM, generator=generator, dtype=torch.float64) / 2


def loss_of(objective: PairObjective, z: Tensor, progress: Progress) -> Tensor:
    objective.begin(progress, None)
    marks = torch.arange(z.shape[1])
    target = z.detach().roll(1, 2)
    routes = objective.routes
    batch = ViewBatch([], marks, marks)
    return objective(z[list(routes.online)], target[list(routes.target)], batch)["loss"]


def losses_on(rank: int) -> dict[str, dict[str, Tensor]]:
    """Loss and gradient with respect to a factor that both ranks share, as DDP has it."""
    found = {}
    for name, which in CASES:
        factor = torch.ones(DIM, dtype=torch.float64, requires_grad=True)
        loss = loss_of(build(name, which), embeddings(rank) * factor, Progress(batch=3, rank=rank))
        loss.backward()
        assert factor.grad is not None
        # The same embeddings and progress on both ranks, but for the rank.
        alike = [
            loss_of(build(name, which), embeddings(0), Progress(batch=3, rank=r)).detach()
            for r in (rank, rank, 0)
        ]
        found[f"{name}, {which}"] = {
            "loss": mean_across_ranks(loss),
            "gradient": mean_across_ranks(factor.grad),
            "alike": torch.stack(alike),
        }
    return found


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return run_two_ranks(losses_on, tmp_path_factory.mktemp("ranks"))


def block_losses(objective: PairObjective, z: Tensor) -> Sequence[Tensor]:
    """The losses of both ranks' images of z (2, N, D), by one process."""
    losses = []
    for rank in range(WORLD):
        progress = Progress(batch=3, rank=rank)
        own = z[:, rank * IMAGES : (rank + 1) * IMAGES]
        if isinstance(objective, QueueInfoNCE):
            # Nothing enters the queue.
            losses.append(loss_of(objective.eval(), own, progress))
            continue
        loss = objective.pair_loss
        source = InBatch(0.3, loss)
        pairs: Pairs = source(own[0], own[1], z[0], z[1], offset=rank * IMAGES)
        objective.begin(progress, None)
        losses.append(loss(objective.plugins(pairs)).mean())
    return losses


@pytest.mark.parametrize(("name", "which"), CASES)
def test_two_ranks_equal_one_process_with_the_draws_of_each(name, which, ranks) -> None:
    factor = torch.ones(DIM, dtype=torch.float64, requires_grad=True)
    joined = torch.cat([embeddings(rank) for rank in range(WORLD)], dim=1)
    loss = torch.stack(list(block_losses(build(name, which), joined * factor))).mean()
    loss.backward()
    for rank in ranks:
        found = rank[f"{name}, {which}"]
        torch.testing.assert_close(found["loss"], loss.detach(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(found["gradient"], factor.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "which"), CASES)
def test_every_rank_draws_its_own_and_again_the_same(name, which, ranks) -> None:
    first, second = (rank[f"{name}, {which}"]["alike"] for rank in ranks)
    for own, again, _ in (first, second):
        assert own == again
    assert first[0] == first[2]
    if name == "moco":  # in the batch, the other rank's anchors are others
        assert first[2] == second[2]
    assert second[0] != second[2]
