import math

import pytest
import pytorch_lightning as pl
import torch
from gloo import run_two_ranks
from torch.utils.data import DataLoader, TensorDataset

from sslkit.callbacks import RepresentationMonitor
from sslkit.functional import representation_figures

pytestmark = pytest.mark.filterwarnings("ignore:.*")
FIGURES = {"uniformity", "rankme", "effective_rank", "std", "sparsity"}


class Logged:
    """Stands for the module: keeps what is logged."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.values: list[tuple[str, float]] = []

    def log(self, name, value, **_):
        self.values.append((name, float(value)))


class Loop:
    """The little of a Trainer that the callback reads."""

    sanity_checking = False
    log_every_n_steps = 2

    def __init__(self, step: int = 0, batches: float = 1) -> None:
        self.global_step, self.num_val_batches = step, [batches]


def batch(seed: int, *, views: int = 2, size: int = 12) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {"features": torch.randn(views, size, 5, generator=g), "label": torch.full((size,), -1)}


def steps(monitor: RepresentationMonitor, *outputs, loop=Loop) -> list[tuple[str, float]]:
    module = Logged()
    monitor.on_train_start(loop(0), module)
    for at, output in enumerate(outputs, start=1):
        monitor.on_train_batch_end(loop(at), module, output, None, at - 1)
    return module.values


def validate(monitor: RepresentationMonitor, *features, batches=None) -> dict[str, float]:
    module = Logged()
    loop = Loop(batches=len(features) if batches is None else batches)
    monitor.on_validation_epoch_start(loop, module)
    for at, rows in enumerate(features):
        output = {"features": rows, "label": torch.zeros(len(rows))}
        monitor.on_validation_batch_end(loop, module, output, None, at)
    monitor.on_validation_epoch_end(loop, module)
    return dict(module.values)


def named(figures: dict[str, torch.Tensor], prefix: str) -> dict[str, float]:
    return {f"representation/{prefix}_{name}": float(v) for name, v in figures.items()}


def test_figures_of_training_and_validation_are_logged(watch):
    trainer = watch(RepresentationMonitor(every_n_steps=3), log_every_n_steps=6)
    train = {f"representation/train_{name}" for name in {*FIGURES, "alignment"}}
    val = {f"representation/val_{name}" for name in FIGURES}
    found = {k: v for k, v in trainer.callback_metrics.items() if k.startswith("representation")}
    assert set(found) == train | val
    x = trainer.datamodule.data.tensors[0]
    with torch.no_grad():
        features = trainer.lightning_module.encoder.eval()(x)
    for name, value in named(representation_figures(features), "val").items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4)


def test_the_network_is_bit_identical_without_it(watch):
    def ends(*callbacks: pl.Callback):
        trainer = watch(*callbacks, log_every_n_steps=1)
        return trainer.lightning_module.state_dict(), torch.get_rng_state()

    (without, rng), (observed, other) = ends(), ends(RepresentationMonitor(every_n_steps=1))
    assert all(torch.equal(without[name], observed[name]) for name in without)
    assert torch.equal(rng, other)


def test_a_batch_is_described_when_due_and_logged_when_the_loggers_are():
    monitor = RepresentationMonitor(every_n_steps=3)
    outputs = [batch(seed) for seed in range(1, 8)]
    logged = steps(monitor, *outputs)
    # Steps 3 and 6 are looked at; the loggers are due at 4 and 6.
    names = list(named(representation_figures(torch.rand(9, 3), torch.rand(9, 3)), "train"))
    assert [name for name, _ in logged] == names * 2
    for part, seed in ((logged[:6], 3), (logged[6:], 6)):
        expected = named(representation_figures(*batch(seed)["features"]), "train")
        assert dict(part) == pytest.approx(expected)


def test_accumulated_batches_are_looked_at_once_a_step():
    class Accumulates(Loop):
        def __init__(self, at: int) -> None:
            super().__init__(at // 2)

    seen = steps(
        RepresentationMonitor(every_n_steps=2), *[batch(s) for s in range(8)], loop=Accumulates
    )
    assert len(seen) == 2 * 6


def test_the_first_images_of_the_first_two_views():
    (features,) = (batch(1, views=4)["features"],)
    logged = steps(RepresentationMonitor(images=4, every_n_steps=2), batch(0), batch(1, views=4))
    expected = named(representation_figures(*features[:2, :4]), "train")
    assert dict(logged) == pytest.approx(expected)


def test_one_view_has_no_alignment():
    output = batch(1, views=1)
    found = dict(steps(RepresentationMonitor(every_n_steps=2), output, output))
    assert found == pytest.approx(named(representation_figures(output["features"][0]), "train"))


@pytest.mark.parametrize("batches", [None, math.inf])
def test_validation_images_come_from_all_of_the_split(batches):
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    found = validate(RepresentationMonitor(images=10), *z.split(8), batches=batches)
    # 7 batches of 8 rows (the last of 2): every sixth row; without a length, the first ten.
    chosen = z[::6] if batches is None else z[:10]
    assert found == pytest.approx(named(representation_figures(chosen), "val"))


def test_nothing_is_logged_of_what_cannot_be_described(watch, labelled):
    broken = batch(2)
    broken["features"][1, 0, 0] = math.nan
    assert steps(RepresentationMonitor(every_n_steps=2), batch(1), broken) == []
    assert steps(RepresentationMonitor(every_n_steps=2), batch(1), {}) == []
    assert validate(RepresentationMonitor(), torch.randn(1, 4)) == {}
    data = labelled()
    x, label = data.data.tensors
    data.val_dataloader = lambda: DataLoader(TensorDataset(x[:1], label[:1]))
    trainer = watch(RepresentationMonitor(), data=data, num_sanity_val_steps=1)
    assert not any("representation" in name for name in trainer.callback_metrics)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 1}, "images of at least 2"),
        ({"every_n_steps": 0}, "every_n_steps of at least 1"),
    ],
)
def test_refuses_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        RepresentationMonitor(**arguments)


def figures_on(rank: int) -> dict:
    trained = steps(RepresentationMonitor(images=16, every_n_steps=2), batch(0), batch(10 + rank))
    # Ranks may hold different numbers of validation images.
    z = batch(20 + rank, size=6 + 3 * rank)["features"][0]
    return {**dict(trained), **validate(RepresentationMonitor(), z)}


def test_all_ranks_describe_the_images_of_all(tmp_path):
    first, second = run_two_ranks(figures_on, tmp_path)
    assert first == second
    views = torch.cat([batch(10 + rank)["features"][:, :8] for rank in range(2)], dim=1)
    z = torch.cat([batch(20 + rank, size=6 + 3 * rank)["features"][0] for rank in range(2)])
    expected = named(representation_figures(*views), "train")
    assert first == pytest.approx(expected | named(representation_figures(z), "val"))
