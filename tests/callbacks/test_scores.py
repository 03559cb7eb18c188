"""ScoreMonitor in training, on the smallest module that compares pairs."""

import csv
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from tiny import METHODS, images, trainer
from torch.utils.data import DataLoader, TensorDataset

from sslkit.callbacks import NegativeOracle, ScoreMonitor
from sslkit.callbacks.pair_sample import sample_pairs
from sslkit.callbacks.pair_statistics import score_statistics
from sslkit.figures import CurveFile, read_curves
from sslkit.negatives.pairs import Mixes, Pairs

pytestmark = pytest.mark.filterwarnings("ignore:.*")
COLUMNS = {
    "negative_mean",
    "negative_variance",
    "negative_top10_mean",
    "negative_exp_mean",
    "positive_mean",
    "positive_variance",
    "positive_exp_mean",
}


@pytest.fixture
def drawn():
    """Draw the pictures too, which takes longer than such a fit."""


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("sslkit.callbacks.pair_curves.write_figure", lambda *_: None)


class Seen:
    """An objective's part that a watcher meets; remembers what it showed."""

    def __init__(self) -> None:
        self.observers, self.shown = [], []

    def watch(self, observer):
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)

    def show(self, z: torch.Tensor, *, treat: bool, calls: int) -> None:
        z = torch.nn.functional.normalize(z, dim=1)
        before = Pairs(z, z.roll(1, 0)[:, None], z.roll(2, 0), 0.5, lambda _: z[:, 0])
        after = before.with_(bank=0.5 * z) if treat else before
        self.shown.append((before, after, len(self.observers)))
        for observer in self.observers * calls:
            observer(before, after)


class Module(pl.LightningModule):
    def __init__(self, treat_from: int = 10**9, calls: int = 1) -> None:
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.2))
        self.objective, self.treat_from, self.calls = Seen(), treat_from, calls

    def training_step(self, batch, batch_idx):
        z = self.encoder(batch[0])
        self.objective.show(z, treat=self.global_step >= self.treat_from, calls=self.calls)
        return {"loss": z.square().mean(), "features": z.detach()[None], "label": batch[1]}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def data(batches: int = 6) -> DataLoader:
    x = torch.randn(8 * batches, 6, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, torch.zeros(len(x)).long()), batch_size=8, shuffle=True)


def fit(folder, *callbacks, module=None, ckpt_path=None, **options) -> pl.Trainer:
    fitter = trainer(folder, callbacks=list(callbacks), **({"max_epochs": 2} | options))
    fitter.fit(module or Module(), data(), ckpt_path=ckpt_path, weights_only=True)
    return fitter


def rows(folder) -> list[dict[str, str]]:
    with (Path(folder) / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_step_before_and_after_plug_ins(tmp_path, drawn):
    module = Module(treat_from=7)
    fitted = fit(tmp_path, ScoreMonitor(), module=module, log_every_n_steps=5)
    found = read_curves(tmp_path / "scores.csv")
    assert set(found) == {"step", "epoch", *COLUMNS, *(f"treated/{name}" for name in COLUMNS)}
    assert found["step"].tolist() == [*range(12)]
    torch.testing.assert_close(torch.tensor(found["epoch"]), torch.arange(12).double() / 6)
    for step, (before, after, _) in enumerate(module.objective.shown):
        for pairs, prefix in ((before, ""), (after, "treated/")):
            numbers = score_statistics(sample_pairs(pairs, 99), 10).detach().double()
            numbers[[3, 6]] = numbers[[3, 6]].exp()
            row = torch.tensor(
                [found[name][step] for name in found if name not in ("step", "epoch")]
            )
            if prefix and step < 7:
                assert row[7:].isnan().all()
                continue
            mine = row[7:] if prefix else row[:7]
            torch.testing.assert_close(mine, numbers, rtol=2e-5, atol=1e-6)
    assert (tmp_path / "scores.png").stat().st_size > 10_000
    # To the loggers goes what the last step that they were due in had.
    logged = {k: float(v) for k, v in fitted.logged_metrics.items() if k.startswith("scores/")}
    assert logged["scores/treated/negative_mean"] == pytest.approx(
        found["treated/negative_mean"][9], rel=1e-5
    )


def test_without_plug_ins_nothing_is_said_of_treated_scores(tmp_path):
    fitted = fit(tmp_path, ScoreMonitor(), log_every_n_steps=1)
    names = {name for name in fitted.logged_metrics if name.startswith("scores/")}
    assert names == {f"scores/{name}" for name in COLUMNS}
    assert all(row["treated/negative_mean"] == "" for row in rows(tmp_path))


@pytest.mark.parametrize("treat_from", [0, 10**9])
def test_training_is_bit_identical_without_it(tmp_path, treat_from):
    ends = []
    for callbacks in ([], [ScoreMonitor(anchors=4), ScoreMonitor(anchors=5)]):
        pl.seed_everything(0, verbose=False)
        module = Module(treat_from)
        fit(tmp_path, *callbacks, module=module)
        ends.append([*module.state_dict().values(), torch.get_rng_state()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_looks_only_when_due_and_leaves_nobody_watching(tmp_path):
    module = Module()
    fit(tmp_path, ScoreMonitor(every_n_steps=4), module=module)
    watched = [count for *_, count in module.objective.shown]
    assert watched == [1, 0, 0, 0] * 3
    assert [row["step"] for row in rows(tmp_path)] == ["0", "4", "8"]
    assert module.objective.observers == []


def test_accumulated_batches_are_one_row(tmp_path):
    fit(tmp_path, ScoreMonitor(), accumulate_grad_batches=3, log_every_n_steps=1)
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2", "3"]
    assert [float(row["epoch"]) for row in rows(tmp_path)] == [0, 0.5, 1, 1.5]


def test_two_directions_are_averaged_to_one_row(tmp_path):
    for folder, calls in (("one", 1), ("two", 2)):
        pl.seed_everything(0, verbose=False)
        fit(tmp_path / folder, ScoreMonitor(), module=Module(calls=calls))
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


@pytest.mark.parametrize("log_every", [4, 100])
def test_a_resumed_run_has_one_row_a_step(tmp_path, log_every, drawn):
    options = {"log_every_n_steps": log_every}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    pl.seed_everything(0, verbose=False)
    fit(whole, ScoreMonitor(), max_epochs=3, **options)
    pl.seed_everything(0, verbose=False)
    fitted = fit(killed, ScoreMonitor(), max_epochs=1, **options)
    fitted.save_checkpoint(tmp_path / "first.ckpt")
    # What a killed run had recorded after its checkpoint, with a row that was being written.
    with (killed / "scores.csv").open("a") as file:
        file.write("6,1,0.25" + "," * 13 + "\n7,1.16,0.")
    fit(killed, ScoreMonitor(), max_epochs=3, ckpt_path=tmp_path / "first.ckpt", **options)
    assert [row["step"] for row in rows(killed)] == [str(step) for step in range(18)]
    assert rows(killed)[:6] == rows(whole)[:6]
    assert sorted(os.listdir(killed)) == ["scores.csv", "scores.png"]


def test_a_checkpoint_comes_after_its_rows(tmp_path):
    class Saves(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 3:
                trainer.save_checkpoint(tmp_path / "x.ckpt")
                assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2"]

    fit(tmp_path, ScoreMonitor(), Saves(), log_every_n_steps=100)


def test_a_new_run_in_the_same_folder_starts_anew(tmp_path):
    fit(tmp_path, ScoreMonitor(top=3), max_epochs=2)
    fit(tmp_path, ScoreMonitor(), max_epochs=1)
    assert [row["step"] for row in rows(tmp_path)] == [str(step) for step in range(6)]
    assert "negative_top10_mean" in rows(tmp_path)[0]


def test_an_interrupted_fit_leaves_nobody_watching(tmp_path):
    class Fails(Module):
        def training_step(self, batch, batch_idx):
            if self.global_step == 3:
                raise RuntimeError("broken")
            return super().training_step(batch, batch_idx)

    module = Fails()
    with pytest.raises(RuntimeError, match="broken"):
        fit(tmp_path, ScoreMonitor(), module=module)
    assert module.objective.observers == []


@pytest.mark.parametrize("callback", [ScoreMonitor, NegativeOracle])
def test_a_method_without_negatives_is_refused(tmp_path, callback):
    with pytest.raises(ValueError, match="BYOLObjective compares none") as refused:
        method = METHODS["BYOL"]()
        trainer(tmp_path, callbacks=[callback()]).fit(method, DataLoader(images(), batch_size=8))
    assert callback.__name__ in str(refused.value)


@pytest.mark.parametrize("name", ["anchors", "every_n_steps", "top"])
def test_refuses_arguments_out_of_range(name):
    with pytest.raises(ValueError, match=f"ScoreMonitor needs {name} of at least 1, got 0"):
        ScoreMonitor(**{name: 0})


def test_exponentials_of_a_small_temperature_are_kept():
    row = torch.tensor([0.5, 0.1, 0.9, 400.0, 0.8, 0.1, 5000.0])
    values = ScoreMonitor().values(row)
    assert values[3] == pytest.approx(math.exp(400)) and math.isfinite(values[6])


def test_fewer_anchors_are_looked_at_where_it_would_take_long(tmp_path):
    seen = []

    class Counts(ScoreMonitor):
        def measure(self, sample):
            seen.append(len(sample.few.query))
            return super().measure(sample)

    def look(bank: int, mixes: int = 0, every: int = 1) -> list[int]:
        monitor = Counts(every_n_steps=every)
        monitor._file = CurveFile(tmp_path / "scores.csv", monitor.columns)
        z = torch.nn.functional.normalize(torch.randn(64, 4), dim=1)
        rows = torch.nn.functional.normalize(torch.randn(bank, 4), dim=1)
        before = after = Pairs(z, z[:, None], rows, 0.5, lambda _: z[:, 0])
        if mixes:
            index, weight = torch.zeros(64, mixes).long(), torch.rand(64, mixes)
            empty = torch.zeros(2, 64, 0).long()
            after = before.with_(mixes=Mixes(4, empty, weight[:, :0], index, weight))
        seen.clear()
        monitor._see(before, after)
        return list(seen)

    assert look(2**14) == [32] and look(2**16) == [8] and look(2**16, every=2) == [16]
    assert look(2**15, mixes=512) == [8, 8]  # 512 mixes take as long as 2¹⁵ scores
    assert look(2**20) == [1]


def test_other_ranks_watch_and_write_nothing(tmp_path):
    # An objective may gather what it shows, so all ranks have to ask for it.
    loop = SimpleNamespace(
        is_global_zero=False,
        global_step=0,
        log_dir=str(tmp_path),
        num_training_batches=6,
        current_epoch=0,
        log_every_n_steps=1,
    )
    monitor, module = ScoreMonitor(), Module()
    monitor.setup(loop, module, "fit")
    monitor.on_train_start(loop, module)
    monitor.on_train_batch_start(loop, module, None, 0)
    assert len(module.objective.observers) == 1
    module.objective.show(torch.randn(4, 3), treat=True, calls=1)
    loop.global_step = 1
    monitor.on_train_batch_end(loop, module, {}, None, 0)
    monitor.on_train_end(loop, module)
    assert module.objective.observers == [] and not [*tmp_path.iterdir()]


METHODS_WITH_PAIRS = [
    "SimCLR",
    "DCL",
    "DCLW",
    "HCL",
    "MoCo",
    "MoCo symmetric",
    "MoCo decoupled",
    "MoCoV3",
    "NNCLR",
]


@pytest.mark.parametrize("name", METHODS_WITH_PAIRS)
def test_every_contrastive_method_is_recorded_and_left_as_it_is(tmp_path, name):
    class Labelled(torch.utils.data.Dataset):
        def __len__(self):
            return 32

        def __getitem__(self, i):
            return images(32)[i], i % 4

    ends = []
    for callbacks in ([], [ScoreMonitor(), NegativeOracle(every_n_steps=1)]):
        pl.seed_everything(0, verbose=False)
        method = METHODS[name]()
        loader = DataLoader(Labelled(), batch_size=16)
        trainer(tmp_path, callbacks=callbacks, max_epochs=2).fit(method, loader)
        state = method.state_dict()
        ends.append({k: v for k, v in state.items() if isinstance(v, torch.Tensor)})
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    found = read_curves(tmp_path / "scores.csv")
    assert found["step"].tolist() == [0, 1, 2, 3]
    assert all(abs(found["negative_mean"]) < 1) and all(found["positive_mean"] <= 1.0001)
    shares = read_curves(tmp_path / "negative_oracle.csv")
    assert ((shares["all"][-1:] > 0) & (shares["all"][-1:] < 1)).all()
