"""Every plug-in in every contrastive method: it trains and acts, or is refused with the reason."""

import math
from functools import cache
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from tiny import METHODS, images, trainer
from tiny_plugins import PLUGINS, exported, plugin
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sslkit.negatives import HardNegativeMixing, Pairs, Plugin, PluginSchedule, Progress

BATCH = ("SimCLR", "DCL", "DCLW", "DebiasedSimCLR", "MoCoV3", "NNCLR", "NNCLR decoupled")
QUEUE = ("MoCo", "MoCo symmetric", "MoCo decoupled", "MoCo debiased")
REFUSED = {
    (name, method): "no gradient flows through the anchors"
    for name in ("HardNegativeMixing", "NoiseNegatives")
    for method in ("NNCLR", "NNCLR decoupled")
}
PAIRINGS = [(name, method) for name in PLUGINS for method in (*BATCH, *QUEUE)]


class Losses(pl.Callback):
    def __init__(self) -> None:
        self.losses: list[Tensor] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"])


def losses(folder: Any, method: str, plugins: list[Plugin] | None, **options: Any) -> list[Tensor]:
    """Of two training steps."""
    pl.seed_everything(0)
    watch, model = Losses(), METHODS[method](plugins=plugins)
    before = model.encoder.backbone.conv1.weight.detach().clone()
    fit = trainer(folder, callbacks=[watch], **options)
    fit.fit(model, DataLoader(images(32), batch_size=16))
    assert not torch.equal(before, model.encoder.backbone.conv1.weight)
    assert all(loss.dtype == torch.float32 and math.isfinite(loss) for loss in watch.losses)
    return watch.losses


@cache
def plain(method: str, precision: str) -> list[Tensor]:
    return losses(None, method, None, precision=precision)


def test_the_table_has_every_plugin() -> None:
    assert set(PLUGINS) == exported()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(("name", "method"), [p for p in PAIRINGS if p not in REFUSED])
def test_trains_two_steps_and_acts(tmp_path, name, method, precision) -> None:
    torch.manual_seed(1)  # of the guide's weights
    found = losses(tmp_path, method, [plugin(name)], precision=precision)
    assert found != plain(method, precision)


@pytest.mark.parametrize(("name", "method"), REFUSED)
def test_what_would_teach_nothing_is_refused(name, method) -> None:
    with pytest.raises(ValueError, match=REFUSED[name, method]):
        METHODS[method](plugins=[plugin(name)])


@pytest.mark.parametrize(
    ("method", "changes", "names", "message"),
    [
        ("HCL", {}, ["ReweightNegatives"], "weigh the negatives twice"),
        ("MoCo", {"queue_size": 1}, ["HardNegativeMixing"], "Use a larger batch or queue"),
        ("MoCo", {}, ["HardNegativeMixing", "PositiveExtrapolation"], "must come before"),
        ("SimCLR", {}, ["NoiseNegatives", "NegativeInterpolation"], "put NegativeInterpolation"),
        ("MoCo", {}, ["FalseNegativeMask", "FalseNegativeMask"], "ask two guides"),
    ],
)
def test_impossible_pairings_are_refused(method, changes, names, message) -> None:
    with pytest.raises(ValueError, match=message):
        METHODS[method](plugins=[plugin(name) for name in names], **changes)


def test_guides_that_are_not_there_are_refused() -> None:
    momentum = plugin("FalseNegativeMask", guide="momentum")
    with pytest.raises(ValueError, match="needs a momentum encoder"):
        METHODS["SimCLR"](plugins=[momentum])
    METHODS["MoCo"](plugins=[momentum])
    METHODS["MoCoV3"](plugins=[momentum])
    silent = plugin("FalseNegativeMask", guide=nn.Flatten())
    with pytest.raises(ValueError, match=r"Flatten does not say .* num_features"):
        METHODS["MoCo"](plugins=[silent])
    METHODS["SimCLR"](plugins=[silent])


def test_what_is_no_plugin_is_refused() -> None:
    with pytest.raises(TypeError, match=r"list of sslkit.negatives.Plugin, got .*HardNegativeMix"):
        METHODS["SimCLR"](plugins=[HardNegativeMixing])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("method", ["MoCo", "MoCo symmetric", "MoCoV3"])
def test_the_momentum_encoder_as_guide_acts(tmp_path, method) -> None:
    mask = plugin("FalseNegativeMask", guide="momentum", threshold=0.5)
    assert losses(tmp_path, method, [mask]) != plain(method, "32-true")


@pytest.mark.parametrize("method", ["SimCLR", "MoCo", "MoCoV3", "NNCLR"])
def test_plugins_that_wait_leave_the_run_bit_identical(tmp_path, method) -> None:
    later = PluginSchedule(start=1)
    names = set(PLUGINS) - {name for name, refusing in REFUSED if refusing == method}
    names = sorted(names, key=lambda name: (plugin(name).adds_negatives, name))
    waiting = [plugin(name, schedule=later) for name in names]
    assert losses(tmp_path, method, waiting) == plain(method, "32-true")


class Note(Plugin):
    """Takes down what it is told."""

    def __init__(self, notes: list[Any], *, schedule: PluginSchedule | None = None) -> None:
        super().__init__(schedule=schedule)
        self.notes = notes

    def forward(self, pairs: Pairs) -> Pairs:
        draw = torch.rand((), generator=self.generator(pairs.query.device))
        self.notes.append((self._progress, self._position, self.strength, float(draw)))
        return pairs


@pytest.mark.parametrize("views", ["drawn", "ready-made"])
def test_progress_counts_batches_and_optimiser_steps(tmp_path, views) -> None:
    notes: list[Any] = []
    schedule = PluginSchedule(start=1, ramp=2, unit="steps")
    model = METHODS["NNCLR"](plugins=[Note(notes, schedule=schedule)])
    data: Any = images(10)
    if views == "ready-made":
        data = [[torch.rand(3, 16, 16), torch.rand(3, 16, 16)] for _ in range(10)]
    loader = DataLoader(data, batch_size=2)
    trainer(tmp_path, accumulate_grad_batches=2, num_sanity_val_steps=1, max_epochs=2).fit(
        model, loader, DataLoader(images(4), batch_size=2)
    )
    found = [progress for progress, *_ in notes]
    steps = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5]
    expected = [Progress(step, 3, batch, 0) for batch, step in enumerate(steps)]
    assert found == [progress for progress in expected for _ in range(2)]  # two directions
    assert [place for _, place, *_ in notes] == [0, 1] * 10
    assert [strength for *_, strength, _ in notes[::2]] == [0, 0, 0.5, 0.5, *[1.0] * 6]
    assert len({draw for *_, draw in notes}) == len(notes)


def test_guides_are_neither_trained_nor_saved_nor_in_training_mode(tmp_path) -> None:
    torch.manual_seed(0)
    mask = plugin("FalseNegativeMask")
    guide = mask.guide
    own = plugin("FalseNegativeMask", guide=nn.Sequential(nn.Flatten(), nn.LazyLinear(4)))
    assert isinstance(guide, nn.Module) and isinstance(own.guide, nn.Module)
    own.guide(torch.rand(1, 3, 16, 16))
    for chosen in (mask, own):
        model = METHODS["SimCLR"](plugins=[chosen])
        fit = trainer(tmp_path)
        fit.fit(model, DataLoader(images(16), batch_size=8))
        assert not any(p.requires_grad for p in chosen.parameters())
        optimised = [p for group in fit.optimizers[0].param_groups for p in group["params"]]
        assert not {id(p) for p in chosen.parameters()} & {id(p) for p in optimised}
        assert not chosen.guide.training
    assert not mask.state_dict()
