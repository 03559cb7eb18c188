"""The momentum branches and the queue over a run, as the trainer drives them."""

import math

import pytest
import pytorch_lightning as pl
import torch
from tiny import METHODS, encoder, images, trainer
from torch.utils.data import DataLoader, TensorDataset

from sslkit.functional import unit_rows
from sslkit.methods.branches import through
from sslkit.nn.split_batch_norm import SplitBatchNorm2d

ONLINE = "encoder.backbone.conv1.weight"
TARGET = "momentum_branches.{}.layers.0.backbone.conv1.weight"


class Positions(pl.Callback):
    """A weight of the online branch and of every target, before the run and after each batch."""

    def __init__(self):
        self.online, self.targets = [], []

    def on_train_start(self, trainer, pl_module):
        self.on_train_batch_end(trainer, pl_module)

    def on_train_batch_end(self, trainer, pl_module, *_):
        weights = dict(pl_module.named_parameters())
        self.online.append(weights[ONLINE].detach().clone())
        branches = range(len(pl_module.momentum_branches))
        self.targets.append([weights[TARGET.format(i)].detach().clone() for i in branches])


def run(folder, method, batches, **changes):
    pl.seed_everything(0)
    watch = Positions()
    trainer(folder, callbacks=[watch], **changes).fit(
        method, DataLoader(images(8 * batches), batch_size=8)
    )
    return watch


@pytest.mark.parametrize("name", ["MoCo", "MoCoV3", "BYOL", "CCSL", "CSSL", "DualViewMoCo"])
def test_targets_start_equal_and_follow_once_in_every_optimiser_step(tmp_path, name):
    base, steps = 0.5, 3
    method = METHODS[name](momentum=base, momentum_schedule="cosine", base_lr=0.1)
    watch = run(tmp_path, method, 2 * steps, accumulate_grad_batches=2)
    assert torch.equal(watch.targets[0][0], watch.online[0])
    expected = watch.online[0]
    for step in range(steps):
        middle, end = 2 * step + 1, 2 * step + 2
        assert torch.equal(watch.targets[middle][0], expected)  # an accumulated batch, no step
        m = 1 - (1 - base) * (1 + math.cos(math.pi * step / steps)) / 2
        expected = m * expected + (1 - m) * watch.online[end]
        torch.testing.assert_close(watch.targets[end][0], expected)
        assert not torch.equal(watch.targets[end][0], watch.targets[middle][0])
        expected = watch.targets[end][0]


@pytest.mark.parametrize(("momentum", "equals"), [(1.0, "start"), (0.0, "online")])
def test_extremes_of_the_momentum(tmp_path, momentum, equals):
    method = METHODS["BYOL"](momentum=momentum, momentum_schedule="constant", base_lr=10.0)
    watch = run(tmp_path, method, 2)
    expected = {"start": watch.targets[0][0], "online": watch.online[-1]}
    assert not torch.equal(expected["start"], expected["online"])
    assert torch.equal(watch.targets[-1][0], expected[equals])


@pytest.mark.parametrize("update", ["alternate", "both"])
def test_targets_of_tribyol_move_in_turn(tmp_path, update):
    method = METHODS["TriBYOL"](target_update=update, momentum=0.5)
    watch = run(tmp_path, method, 4)
    moved = [
        [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        for before, after in zip(watch.targets, watch.targets[1:], strict=False)
    ]
    if update == "both":
        assert moved == [[True, True]] * 4
        assert torch.equal(*watch.targets[-1])
    else:
        assert moved == [[True, False], [False, True]] * 2
        assert not torch.equal(*watch.targets[-1])


@pytest.mark.parametrize("name", ["MoCo", "MoCo symmetric", "DualViewMoCo"])
def test_the_queue_holds_the_last_keys(tmp_path, name):
    method, keys = METHODS[name](queue_size=16), []
    forward = method.momentum_branches[0].forward
    method.momentum_branches[0].forward = lambda x: keys.append(forward(x)) or keys[-1]
    index = torch.arange(24)
    loader = DataLoader(TensorDataset(images(24), index % 3), batch_size=8)
    trainer(tmp_path).fit(method, loader)
    queue = method.objective.queue
    rows = unit_rows(torch.cat(keys))
    # In a ring of 16, the last 16 keys, with the newest before the position.
    order = (torch.arange(len(rows)) % 16)[-16:]
    torch.testing.assert_close(queue.rows[order], rows[-16:])
    assert (int(queue.position), int(queue.filled)) == (len(rows) % 16, 16)
    labels = (index % 3).unflatten(0, (3, 8)).repeat_interleave(len(rows) // 24, 0).flatten()
    assert torch.equal(queue.labels[order], labels[-16:])


def test_queries_never_meet_their_own_keys(tmp_path):
    method, seen = METHODS["MoCo"](queue_size=8), []
    losses = method.objective._losses
    method.objective._losses = lambda q, k, rows: seen.append(rows.clone()) or losses(q, k, rows)
    start = method.objective.queue.rows.clone()
    trainer(tmp_path).fit(method, DataLoader(images(16), batch_size=8))
    assert torch.equal(seen[0], start)
    assert not torch.equal(seen[1], start)


def test_split_statistics_are_in_both_branches_of_moco(tmp_path):
    method = METHODS["MoCo"](bn_splits=4)
    for branch in (method.encoder, method.momentum_branches[0]):
        layers = [m for m in branch.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert layers
        assert all(isinstance(m, SplitBatchNorm2d) and m.splits == 4 for m in layers)
    trainer(tmp_path).fit(method, DataLoader(images(16), batch_size=8))
    with pytest.raises(ValueError, match="batch of 6 cannot be cut into 4"):
        trainer(tmp_path).fit(method, DataLoader(images(6), batch_size=6))


@pytest.mark.parametrize(
    ("arguments", "synchronised"),
    [({}, False), ({"shuffle": False}, True), ({"shuffle": False, "bn_splits": 2}, False)],
)
def test_moco_takes_statistics_over_ranks_only_when_nothing_else_is_done(arguments, synchronised):
    assert METHODS["MoCo"](**arguments).sync_batchnorm is synchronised


def test_without_batch_statistics_an_image_does_not_see_the_rest_of_its_batch():
    method = METHODS["BYOL without batch statistics"](encoder=encoder(norm="group")).double()
    assert not any("running" in name for name, _ in method.named_buffers())
    views = list(torch.rand(2, 6, 3, 16, 16, dtype=torch.float64))
    _, online, target = method.embed(views)
    _, fewer, fewer_targets = method.embed([view[:3] for view in views])
    torch.testing.assert_close(online[:, :3], fewer)
    torch.testing.assert_close(target[:, :3], fewer_targets)


def test_views_go_through_a_module_jointly_or_one_by_one():
    views = list(torch.randn(3, 4, 5))
    shapes = []
    module = torch.nn.Identity()
    module.register_forward_hook(lambda _, args, out: shapes.append(tuple(args[0].shape)))
    assert torch.equal(through(module, views, jointly=True), torch.stack(views))
    assert torch.equal(through(module, views, jointly=False), torch.stack(views))
    assert shapes == [(12, 5), (4, 5), (4, 5), (4, 5)]
