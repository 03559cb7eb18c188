import pytest
import torch
from labelled import data, settled
from tiny import trainer
from torch import nn

from sslkit.methods import FineTune
from sslkit.optim import Constant, WarmupCosine

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def test_everything_learns_lower_layers_more_slowly(tmp_path):
    given = settled()
    before = {name: p.detach().clone() for name, p in given.backbone.named_parameters()}
    fit = trainer(tmp_path)
    model = FineTune(
        encoder=given, layer_decay=0.5, base_lr=0.3, lr_scaling="none", schedule=Constant()
    )
    fit.fit(model, data())
    after = dict(fit.lightning_module.encoder.backbone.named_parameters())
    assert all(not torch.equal(before[name], after[name]) for name in before)
    names = {id(p): name for name, p in model.named_parameters()}
    rates = {names[id(p)]: g["lr"] for g in fit.optimizers[0].param_groups for p in g["params"]}
    assert rates.keys() == dict(model.named_parameters()).keys()
    assert rates["head.weight"] == pytest.approx(0.3)
    # Head, then layer4 to layer1 of one block each, then the stem.
    assert rates["encoder.backbone.layer4.0.conv1.weight"] == pytest.approx(0.3 / 2)
    assert rates["encoder.backbone.layer1.0.conv2.weight"] == pytest.approx(0.3 / 16)
    assert rates["encoder.backbone.conv1.weight"] == pytest.approx(0.3 / 32)


def test_batch_statistics_are_those_of_training(tmp_path):
    fit = trainer(tmp_path)
    model = FineTune(encoder=settled())
    counted = model.encoder.backbone.bn1.num_batches_tracked.item()
    fit.fit(model, data())
    assert model.encoder.backbone.bn1.num_batches_tracked == counted + 2


def test_defaults_are_those_of_simclr_with_layer_decay():
    model = FineTune(encoder=settled())
    assert (model.base_lr, model.lr_scaling, model.layer_decay) == (0.05, "linear", 0.75)
    assert isinstance(model.schedule, WarmupCosine)
    assert model.schedule.warmup_epochs == 0
    optimiser = model.optimizer([nn.Parameter(torch.zeros(2))])
    kept = {key: optimiser.defaults[key] for key in ("momentum", "nesterov", "weight_decay")}
    assert kept == {"momentum": 0.9, "nesterov": True, "weight_decay": 0}


def test_few_labels_are_trained_on_alone(tmp_path):
    seen = []

    class Sees(FineTune):
        def training_step(self, batch, batch_idx):
            seen.extend(batch.index.tolist())
            return super().training_step(batch, batch_idx)

    trainer(tmp_path, max_epochs=3).fit(
        Sees(encoder=settled()), data(label_fraction=0.25, batch_size=4)
    )
    assert len(set(seen)) == 8
    assert len(seen) == 24


@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_refuses_a_decay_out_of_range(decay):
    with pytest.raises(ValueError, match="layer_decay must be above 0 and at most 1"):
        FineTune(encoder=settled(), layer_decay=decay)


def test_refuses_a_smoothing_out_of_range():
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\)"):
        FineTune(encoder=settled(), label_smoothing=1.0)
