import copy

import pytest
import pytorch_lightning as pl
import torch
from labelled import data, settled
from tiny import trainer
from torch import nn

from sslkit.methods import LinearProbe
from sslkit.optim import MultiStep
from sslkit.views import WeakViews

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def test_the_encoder_stays_as_it_is_to_the_last_bit_and_in_eval_mode(tmp_path):
    given = settled()
    before = copy.deepcopy(given.state_dict())
    modes = []

    class Modes(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            modes.append((pl_module.head.training, pl_module.encoder.backbone.bn1.training))

    fit = trainer(tmp_path, max_epochs=2, callbacks=[Modes()])
    fit.fit(LinearProbe(encoder=given, base_lr=1.0), data())
    assert set(modes) == {(True, False)}
    after = fit.lightning_module.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    optimised = [p for g in fit.optimizers[0].param_groups for p in g["params"]]
    head = fit.lightning_module.head
    assert {id(p) for p in optimised} == {id(head.weight), id(head.bias)}


def test_defaults_are_those_of_moco():
    probe = LinearProbe(encoder=settled())
    assert (probe.base_lr, probe.lr_scaling, probe.eval_crop) == (30.0, "linear", 1.0)
    assert isinstance(probe.schedule, MultiStep)
    assert (probe.schedule.milestones, probe.schedule.gamma) == ((60, 80), 0.1)
    optimiser = probe.optimizer([nn.Parameter(torch.zeros(2))])
    assert (optimiser.defaults["momentum"], optimiser.defaults["weight_decay"]) == (0.9, 0)
    assert isinstance(probe.views, WeakViews)
    assert probe.views.sizes == (16,)
    assert LinearProbe(encoder=settled(image_size=None)).views.sizes == (224,)
    torch.manual_seed(0)
    probe.make_head(500)
    assert not probe.head.bias.any()
    assert probe.head.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_a_normalised_head_is_batch_norm_without_scale(tmp_path):
    fit = trainer(tmp_path, max_epochs=8)
    fit.fit(LinearProbe(encoder=settled(), batch_norm=True, base_lr=3.0), data())
    norm, _ = fit.lightning_module.head
    assert not norm.affine
    assert norm.num_batches_tracked == 16
    assert [p.shape for p in fit.lightning_module.head.parameters()] == [(4, 16), (4,)]
    assert fit.callback_metrics["val/top1"] > 0.9
