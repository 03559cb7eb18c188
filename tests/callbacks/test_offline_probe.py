"""The protocol during training: what it finds, and that the training does not notice."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from gloo import run_two_ranks
from labelled import shades
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn
from tiny import METHODS, trainer

from sslkit.callbacks import OfflineProbe, OnlineKNN
from sslkit.data import ImageArrays, ImageDataModule
from sslkit.evaluation import FULL, evaluate_features, extract_features
from sslkit.evaluation.plan import PLANS
from sslkit.evaluation.scoring import layered

pytestmark = pytest.mark.filterwarnings("ignore:.*")
KNN = "offline_probe/val_knn_20"


def data(**changes: Any) -> ImageDataModule:
    options = {"val_source": shades(24), "test_source": shades(16), "batch_size": 16}
    return ImageDataModule(shades(32), **(options | changes))


def fit(folder, *callbacks, method="SimCLR", epochs=2, given=None, **options) -> pl.Trainer:
    pl.seed_everything(1, verbose=False)
    ckpt = {key: options.pop(key) for key in ("ckpt_path",) if key in options}
    run = trainer(folder, max_epochs=epochs, callbacks=list(callbacks), **options)
    # Without a schedule that knows the end: a run may then go on from half of it.
    run.fit(METHODS[method](), given or data(), weights_only=True, **ckpt)
    return run


class Counts(pl.Callback):
    """How often the encoder's training images are read for the protocol."""

    def __init__(self):
        self.splits = []

    def setup(self, trainer, pl_module, stage):
        read = trainer.datamodule.eval_dataloader
        trainer.datamodule.eval_dataloader = lambda *a: self.splits.append(a) or read(*a)


def test_figures_are_those_of_the_protocol_on_the_validation_images(tmp_path):
    run = fit(tmp_path, OfflineProbe(every_n_epochs=1), epochs=1)
    found = {n: v.item() for n, v in run.callback_metrics.items() if n.startswith("offline_probe")}
    encoder = run.lightning_module.encoder
    features = [extract_features(encoder, data().eval_dataloader(s)) for s in ("train", "val")]
    expected = evaluate_features(*features, seed=0).figures()
    assert found == pytest.approx({f"offline_probe/val_{n}": v for n, v in expected.items()})
    assert {"offline_probe/val_knn_20", "offline_probe/val_linear"} <= found.keys()


def test_the_full_plan_is_the_full_protocol_and_can_be_monitored(tmp_path, monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)
    monkeypatch.setitem(PLANS, "full", replace(FULL, epochs=2, fractions=(0.5,), shots=(1,)))
    monitored = "offline_probe/val_sweep"
    best = ModelCheckpoint(tmp_path / "best", filename="{epoch}", monitor=monitored, mode="max")
    probe = OfflineProbe(plan="full", every_n_epochs=1)
    run = fit(tmp_path, best, probe, epochs=1, enable_checkpointing=True)
    found = {n: v.item() for n, v in run.callback_metrics.items() if n.startswith("offline_probe")}
    loaders = [data().eval_dataloader(split) for split in ("train", "val")]
    net, layers = layered(run.lightning_module.encoder, PLANS["full"], loaders[0], "cpu")
    features = [extract_features(net, loader) for loader in loaders]
    expected = evaluate_features(*features, seed=0, plan=PLANS["full"], layers=layers).figures()
    assert found == pytest.approx({f"offline_probe/val_{n}": v for n, v in expected.items()})
    assert {"knn", "sweep", "linear_50_percent", "linear_1_shot", "linear_ece"} <= expected.keys()
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["epoch=0.ckpt"]
    assert best.best_model_score == pytest.approx(expected["sweep"])


def test_a_plan_that_there_is_not():
    with pytest.raises(ValueError, match="needs a plan of quick or full, got 'slow'"):
        OfflineProbe(plan="slow")


def test_label_sets_are_scored_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)
    several, val = shades(32), shades(24)
    for part in (several, val):
        part.labels = torch.nn.functional.one_hot(part.labels, 4).bool()
    val.labels[3] = False
    for train, names in (
        (several, {"knn_20", "sweep", "sweep_best_epoch", "sweep_in_set", "sweep_variable_top_k"}),
        (shades(32), {"knn_20", "linear", "linear_variable_top_k"}),
    ):
        given = ImageDataModule(train, val_source=val, batch_size=16)
        run = fit(tmp_path, OfflineProbe(), OnlineKNN(bank="train"), epochs=1, given=given)
        shown = {name for name in run.callback_metrics if name.startswith("offline_probe/")}
        assert shown == {f"offline_probe/val_{name}" for name in names}


def test_test_images_are_never_read_and_only_so_many_of_the_others(tmp_path):
    counts = Counts()
    probe = OfflineProbe(every_n_epochs=1, train_images=28, val_images=20)
    fit(tmp_path, counts, probe, OnlineKNN(k=5, bank="train", bank_size=12), epochs=1)
    assert sorted(counts.splits) == [("train", 12), ("train", 28), ("val", 20)]


@pytest.mark.parametrize("method", ["SimCLR", "MoCo"])
def test_the_run_is_bit_identical_without_it(tmp_path, method, monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)
    monkeypatch.setitem(PLANS, "full", replace(FULL, epochs=1, fractions=(), shots=(1,)))
    ends = []
    watching = [OfflineProbe(plan="full", every_n_epochs=1), OnlineKNN(k=5, bank="train")]
    for callbacks in ([], watching):
        run = fit(tmp_path, *callbacks, method=method)
        module = run.lightning_module
        gradients = [p.grad for p in module.parameters()]
        modes = [part.training for part in module.modules()]
        state = (module.state_dict(), run.optimizers[0].state_dict()["state"])
        ends.append((state, torch.get_rng_state(), gradients, modes))
    (plain, watched) = ends
    for name, value in plain[0][0].items():  # a counter is among them
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(watched[0][0][name])), name
    assert str(plain[0][1]) == str(watched[0][1])
    assert torch.equal(plain[1], watched[1])
    assert [g is None for g in plain[2]] == [g is None for g in watched[2]]
    assert plain[3] == watched[3]


def test_training_flags_and_generators_are_put_back_where_they_were(tmp_path):
    class Before(pl.Callback):
        def on_validation_epoch_end(self, trainer, pl_module):
            pl_module.encoder.backbone.bn1.train()  # some flag that eval() would change
            self.rng = torch.get_rng_state()

    class After(pl.Callback):
        def on_validation_epoch_end(self, trainer, pl_module):
            self.seen = pl_module.encoder.backbone.bn1.training, torch.get_rng_state()

    class Draws(ImageDataModule):
        def eval_dataloader(self, *arguments):
            torch.rand(5)  # as a user's data set may
            return super().eval_dataloader(*arguments)

    before, after = Before(), After()
    given = Draws(shades(32), val_source=shades(24), batch_size=16)
    fit(tmp_path, before, OfflineProbe(every_n_epochs=1), after, epochs=1, given=given)
    assert after.seen[0]
    assert torch.equal(after.seen[1], before.rng)


def test_it_runs_in_the_first_epoch_and_in_every_nth(tmp_path):
    class Epochs(OfflineProbe):
        def _evaluate(self, trainer, pl_module):
            epochs.append(trainer.current_epoch)
            return {KNN: 0.5}

    epochs = []
    fit(tmp_path, Epochs(every_n_epochs=3), epochs=7, num_sanity_val_steps=1)
    assert epochs == [0, 2, 5]


def test_checkpoints_and_early_stopping_monitor_it(tmp_path):
    given = iter([0.3, 0.6, 0.5, 0.4, 0.3])

    class Scripted(OfflineProbe):
        def _evaluate(self, trainer, pl_module):
            return {KNN: next(given)}

    best = ModelCheckpoint(tmp_path / "best", filename="{epoch}", monitor=KNN, mode="max")
    # Before the probe, which must log in time all the same.
    stop = EarlyStopping(monitor=KNN, mode="max", patience=2)
    run = fit(tmp_path, stop, best, Scripted(every_n_epochs=1), epochs=9, enable_checkpointing=True)
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["epoch=1.ckpt"]
    assert run.current_epoch == 4  # two epochs without a better one after the second


def test_a_resumed_run_shows_its_last_figures_to_what_monitors_them(tmp_path):
    class Scripted(OfflineProbe):
        def _evaluate(self, trainer, pl_module):
            return {KNN: 0.25}

    path = tmp_path / "half.ckpt"
    fit(tmp_path, Scripted(every_n_epochs=2), epochs=2).save_checkpoint(path)
    stop = EarlyStopping(monitor=KNN, mode="max", patience=5)  # strict: it must be there
    probe = Scripted(every_n_epochs=4)
    run = fit(tmp_path, stop, probe, epochs=3, ckpt_path=path)
    assert run.callback_metrics[KNN] == 0.25
    assert stop.best_score == 0.25
    assert probe.state_dict() == {"figures": {KNN: 0.25}}


def figures_on(rank: int) -> dict:
    class FirstOnly(OfflineProbe):
        def _evaluate(self, trainer, pl_module):
            assert rank == 0
            return {KNN: 0.75}

    logged = {}
    state = SimpleNamespace(fn=TrainerFn.FITTING)
    loop = SimpleNamespace(state=state, current_epoch=0, sanity_checking=False)
    module = SimpleNamespace(log=lambda name, value, **_: logged.update({name: value}))
    probe = FirstOnly()
    probe.on_validation_epoch_end(loop, module)
    return logged | probe.state_dict()["figures"]


def test_the_first_rank_evaluates_and_all_have_its_figures(tmp_path):
    assert run_two_ranks(figures_on, tmp_path) == [{KNN: 0.75}] * 2


@pytest.mark.parametrize(
    ("changes", "options", "why"),
    [
        ({"val_source": None}, {}, "there are no validation images"),
        ({}, {"limit_val_batches": 0}, "the trainer does not validate"),
    ],
)
def test_switches_itself_off_and_says_why(tmp_path, monkeypatch, changes, options, why):
    said = []
    monkeypatch.setattr("sslkit.callbacks.offline_probe.rank_zero_info", said.append)
    run = fit(tmp_path, OfflineProbe(), epochs=1, given=data(**changes), **options)
    assert len(said) == 1
    assert said[0].startswith(f"OfflineProbe is off: {why}")
    assert KNN not in run.callback_metrics


def test_unlabelled_data_switches_both_off(tmp_path, monkeypatch):
    said = []
    for name in ("offline_probe", "online_knn"):
        monkeypatch.setattr(f"sslkit.callbacks.{name}.rank_zero_info", said.append)
    source = ImageArrays({"x": np.zeros((32, 16, 16, 3), np.uint8)})
    given = ImageDataModule(source, batch_size=16)
    fit(tmp_path, OfflineProbe(), OnlineKNN(bank="train"), epochs=1, given=given)
    assert said == [
        "OfflineProbe is off: the training data has no labels.",
        "OnlineKNN is off: the training data has no labels.",
    ]


def test_needs_an_image_data_module_and_an_encoder(tmp_path, watch, labelled):
    with pytest.raises(ValueError, match=r"must be an sslkit\.nn\.Encoder, and Watched has none"):
        watch(OfflineProbe())
    loader = torch.utils.data.DataLoader(torch.zeros(16, 3, 16, 16, dtype=torch.uint8), 8)
    run = trainer(tmp_path, callbacks=[OnlineKNN(bank="train")])
    with pytest.raises(ValueError, match=r"OnlineKNN\(bank='train'\) reads un-augmented images"):
        run.fit(METHODS["SimCLR"](), loader)


@pytest.mark.parametrize("name", ["every_n_epochs", "train_images", "val_images"])
def test_refuses_numbers_out_of_range(name):
    with pytest.raises(ValueError, match=f"OfflineProbe needs {name} of at least 1, got 0"):
        OfflineProbe(**{name: 0})


def test_validation_images_of_classes_that_were_not_drawn_are_left_out(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("sslkit.callbacks.offline_probe.rank_zero_info", said.append)
    batches = ImageDataModule(shades(32), batch_size=16).eval_dataloader("train", 20)
    drawn = torch.cat([batch.index for batch in batches]).tolist()
    rare = shades(32)
    rare.labels[rare.labels == 3] = 2
    rare.labels[next(i for i in range(32) if i not in drawn)] = 3
    given = ImageDataModule(rare, val_source=shades(24), batch_size=16)
    run = fit(tmp_path, OfflineProbe(train_images=20, every_n_epochs=1), given=given)
    assert KNN in run.callback_metrics
    assert len([text for text in said if "leaves out 6 of 24 validation images" in text]) == 1
