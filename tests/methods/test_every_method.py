"""What holds for every named method: it trains, and gradient reaches what it must and no more."""

import math

import pytest
import pytorch_lightning as pl
import torch
from tiny import METHODS, PRETRAINING, images, trainer
from torch.utils.data import DataLoader, TensorDataset

from sslkit.callbacks import NegativeOracle, ScoreMonitor

every_method = pytest.mark.parametrize("name", METHODS)
MOMENTUM = {name for name in METHODS if "MoCo" in name or "BYOL" in name} | {"CCSL", "CSSL"}
PREDICTOR = MOMENTUM - {name for name in METHODS if name.startswith(("MoCo", "Dual"))}
PREDICTOR |= {"MoCoV3", "NNCLR", "NNCLR decoupled"}


class Watch(pl.Callback):
    def __init__(self):
        self.losses, self.gradients, self.before = [], {}, {}

    def on_train_start(self, trainer, pl_module):
        self.before = {n: p.detach().clone() for n, p in pl_module.named_parameters()}

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.gradients = {n: p.grad for n, p in pl_module.named_parameters()}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"])


def test_the_table_has_every_method():
    named = {type(build()).__name__ for build in METHODS.values()}
    assert named == PRETRAINING


@every_method
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_trains_two_steps(tmp_path, name, precision):
    pl.seed_everything(0)
    method, watch = METHODS[name](), Watch()
    fit = trainer(tmp_path, precision=precision, callbacks=[watch])
    fit.fit(method, DataLoader(images(32), batch_size=16))
    assert [loss.dtype for loss in watch.losses] == [torch.float32] * 2
    assert all(math.isfinite(loss) for loss in watch.losses)
    after = dict(method.named_parameters())
    for part in ("encoder.backbone.conv1.weight", "projector.layers.0.weight"):
        assert not torch.equal(after[part], watch.before[part])


@every_method
def test_gradient_reaches_what_learns_and_nothing_else(tmp_path, name):
    pl.seed_everything(0)
    method, watch = METHODS[name](), Watch()
    trainer(tmp_path, callbacks=[watch]).fit(method, DataLoader(images(16), batch_size=16))
    learning = [n for n in watch.gradients if not n.startswith("momentum_branches.")]
    without = [n for n in learning if watch.gradients[n] is None]
    assert without == []
    dead = [n for n in learning if not watch.gradients[n].any()]
    # A bias before a normalisation that subtracts the mean again changes nothing.
    assert [n for n in dead if not n.endswith("bias")] == []
    following = [n for n in watch.gradients if n.startswith("momentum_branches.")]
    assert bool(following) == (name in MOMENTUM)
    assert all(watch.gradients[n] is None for n in following)
    assert not any(n in dict(method.named_parameters()) for n in method.objective.state_dict())
    assert (method.predictor is not None) == (name in PREDICTOR)
    optimised = {id(p) for g in method.trainer.optimizers[0].param_groups for p in g["params"]}
    assert optimised == {id(p) for n, p in method.named_parameters() if n in learning}


@every_method
def test_a_batch_of_two_images_trains(tmp_path, name):
    # Whitening needs more images than dimensions, and says so elsewhere.
    changes = {"output_dim": 1, "slice_size": 2} if name == "WMSE" else {}
    method, watch = METHODS[name](**changes), Watch()
    trainer(tmp_path, callbacks=[watch]).fit(method, DataLoader(images(2), batch_size=2))
    assert math.isfinite(watch.losses[0])


@every_method
def test_a_batch_of_one_image_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"batch of 1 image.*batch_size of at least 2"):
        trainer(tmp_path).fit(METHODS[name](), DataLoader(images(1), batch_size=1))


@pytest.mark.parametrize("name", ["SimCLR", "MoCo", "NNCLR", "BYOL"])
def test_label_sets_change_nothing(tmp_path, name):
    losses = []
    sets = torch.arange(96).view(32, 3) % 2 == 0
    for data in (images(32), TensorDataset(images(32), sets)):
        pl.seed_everything(0)
        watch = Watch()
        compared = [] if name == "BYOL" else [NegativeOracle(), ScoreMonitor(every_n_steps=1)]
        fit = trainer(tmp_path, callbacks=[watch, *compared])
        fit.fit(METHODS[name](), DataLoader(data, batch_size=16))
        losses.append(torch.stack(watch.losses))
    assert torch.equal(*losses)
