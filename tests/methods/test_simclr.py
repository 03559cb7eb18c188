import math

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from sslkit.data import ImageDataModule
from sslkit.functional import nt_xent
from sslkit.methods import SimCLR
from sslkit.nn import Encoder
from sslkit.optim import LARS, Constant, WarmupCosine
from sslkit.views import SimCLRViews

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 16]}


def model(**changes):
    encoder = Encoder("resnet18", small_images=True, options=TINY)
    arguments = {"encoder": encoder, "views": SimCLRViews(size=16, blur=False), "output_dim": 8}
    return SimCLR(**(arguments | changes))


def trainer(tmp_path, **changes):
    arguments = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": tmp_path,
    }
    return pl.Trainer(**(arguments | changes))


def images(n=16, channels=3, side=16):
    return torch.randint(256, (n, channels, side, side), dtype=torch.uint8)


class Outputs(pl.Callback):
    """Keeps what each training step hands to callbacks."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append(outputs)


def test_paper_defaults():
    simclr = SimCLR(encoder=Encoder("resnet18", options=TINY))
    assert simclr.objective.temperature == 0.1
    assert (simclr.base_lr, simclr.lr_scaling) == (0.075, "sqrt")
    assert [type(layer).__name__ for layer in simclr.projector.layers] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Linear",
        "BatchNorm1d",
    ]
    assert simclr.projector.layers[0].weight.shape == (16, 16)
    assert simclr.projector.out_features == 128
    assert simclr.projector.layers[-1].bias is None
    optimiser = simclr.optimizer([torch.nn.Parameter(torch.zeros(2, 2))])
    assert isinstance(optimiser, LARS)
    assert optimiser.param_groups[0]["weight_decay"] == 1e-4


def test_three_layer_head_of_the_second_version():
    kinds = [type(layer).__name__ for layer in model(projector_layers=3).projector.layers]
    assert kinds.count("Linear") == kinds.count("BatchNorm1d") == 3


def test_trains_on_uint8_from_a_plain_trainer_and_dataloader(tmp_path):
    loader = DataLoader(TensorDataset(images(32), torch.arange(32) % 4), batch_size=16)
    outputs = Outputs()
    simclr = model()
    before = simclr.encoder.backbone.conv1.weight.detach().clone()
    trainer(tmp_path, max_epochs=2, callbacks=[outputs]).fit(simclr, loader)
    assert not torch.equal(before, simclr.encoder.backbone.conv1.weight)
    step = outputs.steps[0]
    assert step["features"].shape == (2, 16, 16)
    assert step["features"].dtype == torch.float32
    assert not step["features"].requires_grad
    assert step["label"].tolist() == [i % 4 for i in range(16)]


def test_trains_on_ready_made_float_views(tmp_path):
    pairs = TensorDataset(torch.rand(16, 3, 16, 16), torch.rand(16, 3, 16, 16))
    outputs = Outputs()
    trainer(tmp_path, callbacks=[outputs]).fit(model(), DataLoader(pairs, batch_size=8))
    assert len(outputs.steps) == 2
    assert math.isfinite(outputs.steps[-1]["loss"])


def test_loss_is_nt_xent_of_the_projections(tmp_path):
    simclr = model(temperature=0.3)
    views = [torch.rand(8, 3, 16, 16) for _ in range(2)]

    class Check(Outputs):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            with torch.no_grad():
                z = pl_module.projector(pl_module.encoder(torch.cat(batch.views)))
                self.expected = nt_xent(z[:8], z[8:], temperature=0.3)

    check = Check()
    loader = DataLoader(TensorDataset(*views), batch_size=8)
    trainer(tmp_path, callbacks=[check]).fit(simclr, loader)
    torch.testing.assert_close(check.steps[0]["loss"], check.expected)


def test_every_parameter_of_encoder_and_projector_gets_a_gradient(tmp_path):
    seen = {}

    class Gradients(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            seen.update({n: p.grad is not None for n, p in pl_module.named_parameters()})

    loader = DataLoader(images(8), batch_size=8)
    trainer(tmp_path, callbacks=[Gradients()]).fit(model(), loader)
    assert seen
    assert all(seen.values())


def test_bf16_mixed_keeps_the_loss_in_float32(tmp_path):
    outputs = Outputs()
    trainer(tmp_path, precision="bf16-mixed", callbacks=[outputs]).fit(
        model(), DataLoader(images(8), batch_size=8)
    )
    assert outputs.steps[0]["loss"].dtype == torch.float32


def test_views_are_a_function_of_seed_and_batch_and_differ_between_batches(tmp_path):
    def drawn(seed):
        pl.seed_everything(seed)
        simclr, batches = model(base_lr=1e-9, lr_scaling="none"), []

        class Keep(pl.Callback):
            def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
                batches.append(torch.stack(batch.views))

        same = images(8).index_select(0, torch.zeros(8, dtype=torch.int64))
        pl.seed_everything(seed)
        trainer(tmp_path, callbacks=[Keep()]).fit(
            simclr, DataLoader(torch.cat([same, same]), batch_size=8)
        )
        return batches

    a, b, c = drawn(1), drawn(1), drawn(2)
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert not torch.equal(a[0], a[1])
    assert not torch.equal(a[0], c[0])


def test_learning_rate_is_scaled_warmed_up_and_both_rates_are_printed(tmp_path, caplog):
    rates = []

    class Rates(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    simclr = model(
        optimizer=torch.optim.SGD,
        base_lr=0.5,
        lr_scaling="linear",
        schedule=WarmupCosine(warmup_epochs=1),
    )
    with caplog.at_level("INFO"):
        trainer(tmp_path, max_epochs=3, accumulate_grad_batches=2, callbacks=[Rates()]).fit(
            simclr, DataLoader(images(64), batch_size=8)
        )
    effective = 0.5 * 16 / 256
    # 4 optimiser steps an epoch, each of two batches: warm-up from 0, then a cosine over 8 steps.
    expected = [effective * t / 4 for t in range(4)]
    expected += [effective * (1 + math.cos(math.pi * t / 8)) / 2 for t in range(8)]
    assert rates[::2] == pytest.approx(expected)
    assert rates[1::2] == pytest.approx(expected)
    assert "base 0.5" in caplog.text
    assert f"effective {effective:g}" in caplog.text


def test_biases_and_norms_are_excluded_from_decay(tmp_path):
    simclr = model(optimizer=lambda groups: torch.optim.AdamW(groups, weight_decay=0.1))
    fit = trainer(tmp_path)
    fit.fit(simclr, DataLoader(images(8), batch_size=8))
    for group in fit.optimizers[0].param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


def test_mean_and_std_of_the_data_reach_views_and_encoder(tmp_path):
    data = ImageDataModule("quickstart", batch_size=64, limit=64, mean=[0.25], std=[0.5])
    encoder = Encoder("resnet18", in_channels=1, small_images=True, options=TINY)
    simclr = model(encoder=encoder, schedule=Constant())
    trainer(tmp_path, limit_val_batches=0).fit(simclr, datamodule=data)
    assert encoder.mean.tolist() == [0.25]
    assert encoder.std.tolist() == [0.5]
    assert list(simclr.views.mean) == [0.25]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, r"temperature.*0"),
        ({"base_lr": 0.0}, "base_lr must be above 0, got 0"),
        ({"projector_layers": 0}, "projector_layers must be at least 1, got 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        model(**arguments)


def test_a_batch_of_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"batch of 1 image.*batch_size of at least 2"):
        trainer(tmp_path).fit(model(), DataLoader(images(2), batch_size=1))


def test_wrong_channels_are_refused_before_training(tmp_path):
    data = ImageDataModule("quickstart", batch_size=8)
    with pytest.raises(ValueError, match=r"data has 1 channel.*channels=3.*in_channels=1"):
        trainer(tmp_path).fit(model(), datamodule=data)


def test_divergence_names_what_went_first(tmp_path):
    simclr = model(optimizer=torch.optim.SGD, base_lr=1e30, schedule=Constant())
    with pytest.raises(FloatingPointError, match=r"(features|embeddings|loss) went to NaN"):
        trainer(tmp_path, max_epochs=20).fit(simclr, DataLoader(images(8), batch_size=8))


def test_the_length_of_a_run_may_be_given_in_steps(tmp_path):
    simclr = model(optimizer=torch.optim.SGD, schedule=WarmupCosine(warmup_epochs=1))
    fit = trainer(tmp_path, max_epochs=-1, max_steps=6)
    fit.fit(simclr, DataLoader(images(32), batch_size=8))
    assert fit.global_step == 6
    # 4 steps of warm-up, then 2 of cosine down to 0.
    assert fit.lr_scheduler_configs[0].scheduler.get_last_lr() == [pytest.approx(0)] * 2


def test_a_loader_without_length_is_refused_with_advice(tmp_path):
    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield images(1)[0]

    with pytest.raises(ValueError, match="limit_train_batches"):
        trainer(tmp_path, max_epochs=-1, max_steps=6).fit(
            model(), DataLoader(Endless(), batch_size=8)
        )


def test_a_run_within_its_warmup_is_warned_of(tmp_path):
    simclr = model(schedule=WarmupCosine(warmup_epochs=10))
    with pytest.warns(UserWarning, match=r"reaches 20% of the learning rate.*warmup_epochs"):
        trainer(tmp_path, max_epochs=2).fit(simclr, DataLoader(images(80), batch_size=8))


def test_endless_training_is_refused_with_advice(tmp_path):
    with pytest.raises(ValueError, match=r"max_epochs or max_steps"):
        trainer(tmp_path, max_epochs=-1).fit(model(), DataLoader(images(8), batch_size=8))
