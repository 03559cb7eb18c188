"""`compile: true`: the same keys, the same training, a resume that goes on.

Dynamo traces the networks and runs what it found with torch's own kernels, whose results are those
of a run without; only the last test has code generated.
"""

import pytest
import pytorch_lightning as pl
import torch
from labelled import data, settled
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny import METHODS, encoder, images, trainer
from torch import nn
from torch.utils.data import DataLoader

from sslkit.callbacks import OnlineKNN, OnlineProbe
from sslkit.methods import FineTune, LinearProbe
from sslkit.nn import load_encoder

compile_module = nn.Module.compile


@pytest.fixture
def compiled(monkeypatch):
    """The modules that were compiled, by a backend that generates no code."""
    found = []

    def compile_with_eager(module):
        found.append(module)
        compile_module(module, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", compile_with_eager)
    torch._dynamo.reset()
    return found


def trained(folder, method, *, steps=2, ckpt_path=None, **changes):
    pl.seed_everything(0, verbose=False)
    fit = trainer(folder, **({"max_epochs": -1, "max_steps": steps} | changes))
    loader = DataLoader(images(32), batch_size=16)
    fit.fit(method, loader, ckpt_path=ckpt_path, weights_only=True)
    return fit


def build(name, **changes):
    pl.seed_everything(1, verbose=False)
    return METHODS[name](**changes)


def same(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(x, b[key]) for key, x in a.items() if isinstance(x, torch.Tensor))


def test_all_networks_are_compiled_and_nothing_else(tmp_path, compiled):
    method = build("BYOL", compile=True)
    (branch,) = method.momentum_branches
    own = [method.encoder.backbone, method.projector, method.predictor]
    theirs = [branch.layers[0].backbone, branch.layers[1]]
    trained(tmp_path, method, steps=1)
    assert len(compiled) == 5
    assert all(a is b for a, b in zip(compiled, own + theirs, strict=True))


def test_without_it_nothing_is(tmp_path, compiled):
    trained(tmp_path, build("SimCLR"), steps=1)
    assert compiled == []


def test_validation_alone_compiles_nothing(tmp_path, compiled):
    method = build("SimCLR", compile=True)
    trainer(tmp_path).validate(method, DataLoader(images(8), batch_size=8), verbose=False)
    assert compiled == []


def test_the_same_training_and_the_same_keys(tmp_path, compiled):
    plain, method = build("SimCLR"), build("SimCLR", compile=True)
    for one in (plain, method):
        trained(tmp_path, one)
    assert same(plain.state_dict(), method.state_dict())
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2


def test_a_checkpoint_goes_on_either_way(tmp_path, compiled):
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    whole = build("MoCo", compile=True)
    trained(tmp_path, whole, steps=3, callbacks=[keep], enable_checkpointing=True)
    path = tmp_path / "step=2.ckpt"
    for again in (build("MoCo", compile=True), build("MoCo")):
        trained(tmp_path, again, steps=3, ckpt_path=path)
        assert same(again.state_dict(), whole.state_dict())
    weights = load_encoder(tmp_path / "step=3.ckpt").backbone.state_dict()
    assert same(weights, whole.encoder.backbone.state_dict())


def test_probes_watch_the_layers_of_compiled_networks(tmp_path, compiled):
    figures = []
    for compile in (False, True):
        pl.seed_everything(1, verbose=False)
        method = METHODS["SimCLR"](compile=compile)
        fit = trainer(tmp_path, max_epochs=2, callbacks=[OnlineProbe(layers=["layer1", "layer3"])])
        fit.fit(method, data())
        figures.append(fit.callback_metrics)
    assert compiled
    plain, other = figures
    assert {"online_probe/layer1/val_top1", "online_probe/layer3/val_top1"} <= plain.keys()
    assert same(plain, other)


@pytest.mark.parametrize("kind", [LinearProbe, FineTune])
def test_classifiers_train_the_same(tmp_path, compiled, kind):
    weights = []
    for compile in (False, True):
        pl.seed_everything(1, verbose=False)
        method = kind(encoder=settled(), compile=compile)
        trainer(tmp_path, max_epochs=1).fit(method, data())
        weights.append(method.state_dict())
    assert compiled == [method.encoder.backbone, method.head]
    assert same(*weights)


@pytest.mark.slow
def test_split_batch_normalisation_and_shuffled_keys(tmp_path, compiled):
    def moco(**changes):
        pl.seed_everything(1, verbose=False)
        return METHODS["MoCo"](encoder=encoder(), bn_splits=4, **changes)

    plain, method = moco(), moco(compile=True)
    for one in (plain, method):
        trained(tmp_path, one)
    assert same(plain.state_dict(), method.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_method(tmp_path, compiled, name, precision):
    plain, method = build(name), build(name, compile=True)
    for one in (plain, method):
        trained(tmp_path, one, precision=precision)
    assert compiled
    assert same(plain.state_dict(), method.state_dict())


@pytest.mark.slow
def test_generated_code_trains_to_nearly_the_same(tmp_path):
    torch._dynamo.reset()
    watched = []
    for method in (build("SimCLR"), build("SimCLR", compile=True)):
        # In double precision, so that another order of sums is not mistaken for another result.
        trained(tmp_path, method, callbacks=[OnlineKNN()], precision="64-true")
        watched.append(method)
    plain, method = (one.state_dict() for one in watched)
    assert plain.keys() == method.keys()
    for key, x in plain.items():
        torch.testing.assert_close(method[key], x, rtol=1e-6, atol=1e-9)


def test_it_is_an_argument_of_every_method():
    assert all(build(name, compile=True).compiled for name in METHODS)
    assert not any(build(name).compiled for name in METHODS)
