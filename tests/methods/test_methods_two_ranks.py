"""Every method on two ranks with different images, against one process on the joined batch.

Networks without batch statistics, in float64: two optimiser steps with the momentum branches and
the queue between them, gradients averaged over ranks as DDP does.
"""

import pytest
import torch
from gloo import WORLD, run_two_ranks
from tiny import METHODS, OPTIONS, encoder
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from sslkit.data import ViewBatch
from sslkit.distributed import mean_across_ranks
from sslkit.methods.branches import follow
from sslkit.methods.ranks import keep_queues_local
from sslkit.objectives import WMSE

IMAGES, STEPS = 8, 2  # images on a rank
WIDE = {"channels": [16, 32, 32, 64]}

pytestmark = pytest.mark.slow  # two processes that import Lightning


def build(name):
    """A method in float64 that no image of a batch can look at another in, but for its loss."""
    torch.manual_seed(0)
    # Several channels in each of the 16 groups: alone, a channel's mean would be normalised away.
    method = METHODS[name](encoder=encoder(norm="group", options=OPTIONS | WIDE))
    for parent in list(method.modules()):
        for leaf, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm1d):
                setattr(parent, leaf, nn.GroupNorm(1, child.num_features))
    method.momentum_branches.requires_grad_(False)
    assert not any(hasattr(m, "running_var") for m in method.modules())
    return method.double()


def views_of(rank, step):
    """Three views of a rank's own images."""
    generator = torch.Generator().manual_seed(10 * step + rank)
    image = torch.rand(1, IMAGES, 3, 16, 16, generator=generator, dtype=torch.float64)
    return image + torch.rand(3, IMAGES, 3, 16, 16, generator=generator, dtype=torch.float64) / 2


def train(method, batches, average, rank=0):
    """Steps of SGD; the loss and all gradients of each."""
    steps = []
    learning = {n: p for n, p in method.named_parameters() if p.requires_grad}
    for number, views in enumerate(batches):
        label = torch.arange(views.shape[1]) + rank * IMAGES
        _, online, target = method.embed(list(views))
        loss = method.objective(online, target, ViewBatch(list(views), label, label))["loss"]
        assert online.std(1).max() > 1e-3 * online.abs().max()  # images differ
        gradients = torch.autograd.grad(loss, list(learning.values()))
        found = {"loss": average(loss.detach())}
        found |= {n: average(g) for n, g in zip(learning, gradients, strict=True)}
        length = torch.stack([found[n].norm() for n in learning]).norm()
        for name, parameter in learning.items():  # a step of one length, however steep the loss
            parameter.data.sub_(found[name] / length, alpha=0.01)
        if method.momentum:
            online = (method.encoder, method.projector)
            follow(method.momentum_branches, online, method.momentum, number, 10)
        steps.append(found)
    return {"steps": steps, "objective": method.objective.state_dict()}


def train_on(rank):
    found = {}
    for name in METHODS:
        method, drawn = build(name), []
        if isinstance(method.objective, WMSE):
            draw = method.objective.draw
            method.objective.draw = lambda n, d=draw, to=drawn: to.append(d(n)) or to[-1]
        batches = [views_of(rank, step) for step in range(STEPS)]
        found[name] = {**train(method, batches, mean_across_ranks, rank), "drawn": drawn}
    found["buffers"] = buffers_after_a_forward_pass(rank)
    return found


def buffers_after_a_forward_pass(rank):
    """What DDP does to a queue and to running statistics that differ between ranks."""
    torch.manual_seed(0)
    method = METHODS["MoCo"]()
    method.forward = lambda views: method.embed(views)[1].sum()
    keep_queues_local(method)
    ddp = DistributedDataParallel(method)
    statistics = method.encoder.backbone.bn1.num_batches_tracked
    method.objective.queue.rows.fill_(rank)
    statistics.fill_(10 * rank)
    ddp(list(views_of(rank, 0).float())).backward()
    return {"row": method.objective.queue.rows[0, 0], "tracked": statistics}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return run_two_ranks(train_on, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", METHODS)
def test_two_ranks_equal_one_process(name, ranks):
    method = build(name)
    if isinstance(method.objective, WMSE):  # permutations that stay within each rank's images
        drawn = iter(zip(*(r[name]["drawn"] for r in ranks), strict=True))
        method.objective.draw = lambda images: torch.cat(
            [own + IMAGES * rank for rank, own in enumerate(next(drawn))], dim=1
        )
    joined = [torch.cat([views_of(r, s) for r in range(WORLD)], dim=1) for s in range(STEPS)]
    alone = train(method, joined, lambda x: x)
    for rank in ranks:
        for mine, expected in zip(rank[name]["steps"], alone["steps"], strict=True):
            assert mine.keys() == expected.keys()
            for part, value in expected.items():
                # Some are zero but for rounding, such as a bias's before a normalisation.
                torch.testing.assert_close(mine[part], value, rtol=1e-6, atol=1e-12)
        for part, value in alone["objective"].items():
            torch.testing.assert_close(rank[name]["objective"][part], value, rtol=1e-9, atol=1e-12)


def test_ddp_leaves_queues_alone_and_still_sends_running_statistics(ranks):
    assert [float(r["buffers"]["row"]) for r in ranks] == [0.0, 1.0]
    assert [int(r["buffers"]["tracked"]) for r in ranks] == [1, 1]
