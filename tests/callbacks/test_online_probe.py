import copy
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader

from sslkit.callbacks import OnlineKNN, OnlineProbe

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def test_learns_and_logs(watch):
    metrics = watch(OnlineProbe(), epochs=10).callback_metrics
    assert metrics["online_probe/val_top1"] > 0.95
    assert metrics["online_probe/val_top1"] < metrics["online_probe/val_top5"] + 1e-6
    assert metrics["online_probe/train_loss"] < 0.5


def test_several_layers_and_rates_are_probed_at_once_each_as_if_alone(watch):
    several = watch(OnlineProbe(lr=[0.05, 0.1], layers=["0", "2"]), epochs=4).callback_metrics
    for layer, lr in ((None, 0.05), (None, 0.1), ("0", 0.05), ("2", 0.1)):
        one = watch(OnlineProbe(lr=lr, layers=[layer] if layer else []), epochs=4).callback_metrics
        alone = f"online_probe/{layer}" if layer else "online_probe"
        for figure in ("train_loss", "val_top1", "val_top5"):
            found = several[f"{alone}/lr_{lr:g}/{figure}"]
            torch.testing.assert_close(found, one[f"{alone}/{figure}"], rtol=1e-4, atol=1e-5)
    assert len([name for name in several if "online_probe" in name]) == 3 * 2 * 3
    assert several["online_probe/0/lr_0.1/val_top1"] > 0.95  # a linear layer of separable inputs


def test_a_layer_after_which_everything_is_the_same_gives_the_same_figures(watch):
    # Without dropout, the last layer's output is the feature.
    found = watch(OnlineProbe(layers=["2"]), dropout=0.0).callback_metrics
    for figure in ("train_loss", "val_top1"):
        assert found[f"online_probe/2/{figure}"] == found[f"online_probe/{figure}"]


@pytest.mark.parametrize("layers", [["3"], ["encoder"]])
def test_an_unknown_layer_is_an_error_that_says_what_there_is(watch, layers):
    with pytest.raises(ValueError, match=rf"no module '{layers[0]}'\. It consists of 0, 1, 2;"):
        watch(OnlineProbe(layers=layers))


def test_early_stopping_and_checkpoints_monitor_it(watch, tmp_path):
    # Before the probe, which must log in time all the same.
    stop = EarlyStopping("online_probe/val_top1", mode="max", patience=1, min_delta=0.5)
    loss = EarlyStopping("online_probe/train_loss")
    best = ModelCheckpoint(tmp_path / "best", monitor="online_probe/val_top1", mode="max")
    trainer = watch(stop, loss, best, OnlineProbe(), epochs=9, enable_checkpointing=True)
    assert trainer.current_epoch < 9
    assert len(list((tmp_path / "best").iterdir())) == 1
    assert loss.best_score == trainer.callback_metrics["online_probe/train_loss"]


def test_layers_are_left_unwatched_after_the_fit(watch):
    trainer = watch(OnlineProbe(layers=["0"]))
    assert not trainer.lightning_module.encoder[0]._forward_hooks
    probe = OnlineProbe(4, layers=["0"])
    with pytest.raises(ValueError, match="label 5"):
        watch(probe)
    assert probe._watched is None


def test_top5_is_left_out_with_five_classes(watch, labelled):
    data = labelled(num_classes=5)
    x, label = data.data.tensors
    data.data = torch.utils.data.TensorDataset(x, label.clamp(max=4))
    metrics = watch(OnlineProbe(), data=data).callback_metrics
    assert "online_probe/val_top1" in metrics
    assert "online_probe/val_top5" not in metrics


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_encoder_is_bit_identical_without_the_callbacks(watch, precision):
    results = []
    several = OnlineProbe(lr=[0.1, 0.3], layers=["0", "1"])
    for callbacks in ([], [several, OnlineKNN(k=5)]):
        trainer = watch(*callbacks, precision=precision)
        results.append((trainer.lightning_module.state_dict(), torch.get_rng_state()))
    (plain, plain_rng), (watched, watched_rng) = results
    assert plain.keys() == watched.keys()
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert torch.equal(plain_rng, watched_rng)


def test_dropout_would_show_a_draw_from_the_global_generator(watch):
    class Draws(pl.Callback):
        def on_train_batch_end(self, *args):
            torch.rand(1)

    plain, drawn = (watch(*c).lightning_module.state_dict() for c in ([], [Draws()]))
    assert not all(torch.equal(plain[name], drawn[name]) for name in plain)


def flat(state, prefix=""):
    if isinstance(state, dict):
        return {k: v for key in state for k, v in flat(state[key], f"{prefix}/{key}").items()}
    if isinstance(state, list):
        return flat(dict(enumerate(state)), prefix)
    return {prefix: state}


def assert_same(one, other):
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys() and one
    for name, value in one.items():
        same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        assert same(value, other[name]), name


def test_a_resumed_probe_ends_bit_identical(watch, tmp_path, labelled):
    def in_order():
        data = labelled()
        data.train_dataloader = lambda: torch.utils.data.DataLoader(data.data, batch_size=16)
        return data

    def probe():
        return OnlineProbe(lr=[0.1, 0.3], layers=["0"])

    whole = watch(probe(), data=in_order(), epochs=4, dropout=0.0)
    path = tmp_path / "half.ckpt"
    watch(probe(), data=in_order(), epochs=2, dropout=0.0).save_checkpoint(path)
    saved = torch.load(path, weights_only=True)["callbacks"]["OnlineProbe"]
    resumed = watch(probe(), data=in_order(), epochs=4, dropout=0.0, ckpt_path=path)
    final = whole.callbacks[0].state_dict()
    assert_same(final, resumed.callbacks[0].state_dict())
    assert not torch.equal(saved["weights"]["weight0"], final["weights"]["weight0"])
    for name in ("online_probe/lr_0.1/val_top1", "online_probe/0/lr_0.3/train_loss"):
        assert torch.equal(whole.callback_metrics[name], resumed.callback_metrics[name])


def test_state_restored_but_not_yet_used_is_saved_again():
    state = {"weights": {}, "steps": 3, "losses": None, "batches": 0}
    probe = OnlineProbe(3)
    probe.load_state_dict(copy.deepcopy(state))
    assert probe.state_dict() == state


def test_a_checkpoint_of_another_number_of_classes_is_refused(watch, tmp_path):
    path = tmp_path / "six.ckpt"
    watch(OnlineProbe(), epochs=1).save_checkpoint(path)
    with pytest.raises(ValueError, match=r"has 6 classes and 16 features.*has 8 classes"):
        watch(OnlineProbe(8), epochs=2, ckpt_path=path)


def test_validating_a_checkpoint_scores_its_probe(watch, tmp_path, labelled):
    path = tmp_path / "probe.ckpt"
    trainer = watch(OnlineProbe(), epochs=3)
    trainer.save_checkpoint(path)
    again = pl.Trainer(
        callbacks=[OnlineProbe()],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    metrics = again.validate(
        trainer.lightning_module, labelled(), ckpt_path=path, verbose=False, weights_only=True
    )[0]
    expected = trainer.callback_metrics["online_probe/val_top1"].item()
    assert metrics["online_probe/val_top1"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probe", "classes"), [(OnlineProbe(), None), (OnlineProbe(6), None), (OnlineProbe(6), 6)]
)
def test_switches_itself_off_without_labels_and_says_so_once(watch, said, labelled, probe, classes):
    trainer = watch(probe, data=labelled(num_classes=classes, labels=False))
    assert len(said) == 1
    assert said[0].startswith("OnlineProbe is off: the training data has no labels")
    assert not [name for name in trainer.callback_metrics if "online_probe" in name]
    assert probe.state_dict() == {}


def test_labels_of_several_classes_an_image_switch_it_off(watch, said, labelled):
    data = labelled()
    data.data = torch.utils.data.TensorDataset(data.data.tensors[0], torch.ones(96, 3).bool())
    watch(OnlineProbe(), data=data)
    assert said == [
        "OnlineProbe is off: the training images have several classes each, and it needs one class "
        "an image (OfflineProbe and `sslkit evaluate` score such labels)."
    ]


def test_validation_images_of_several_classes_are_not_scored_and_it_is_said_once(
    watch, said, labelled
):
    data = labelled()
    x, label = data.data.tensors
    sets = torch.utils.data.TensorDataset(x, torch.nn.functional.one_hot(label.clamp(0)).bool())
    data.val_dataloader = lambda: DataLoader(sets, batch_size=10)
    seen = watch(OnlineProbe(), OnlineKNN(k=5), data=data).callback_metrics
    assert [line.split(":")[0] for line in said] == [
        "OnlineProbe does not score",
        "OnlineKNN is off",
    ]
    assert "online_probe/train_loss" in seen and not [name for name in seen if "val" in name]


def test_a_label_beyond_the_classes_is_an_error_that_names_both(watch):
    with pytest.raises(ValueError, match="label 5 with num_classes=4"):
        watch(OnlineProbe(4))


def test_nothing_that_tells_the_number_of_classes_is_an_error(watch, labelled):
    with pytest.raises(ValueError, match=r"OnlineProbe\(num_classes="):
        watch(OnlineProbe(), data=labelled().train_dataloader())


def test_a_step_without_features_is_an_error():
    probe = OnlineProbe(3)
    with pytest.raises(ValueError, match=r"returned \['loss'\]"):
        probe.on_train_batch_end(None, None, {"loss": torch.zeros(())}, None, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "at least 2"),
        ({"lr": 0.0}, "lr above 0"),
        ({"lr": []}, "lr above 0"),
        ({"lr": [0.1, 0.1]}, "twice"),
        ({"layers": ["0", "0"]}, "twice"),
    ],
)
def test_refuses_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlineProbe(**arguments)


def test_the_sanity_check_is_not_scored(watch):
    calls = []

    class Sees(OnlineProbe):
        def on_validation_epoch_end(self, trainer, pl_module):
            calls.append((trainer.sanity_checking, self._counts is not None))
            super().on_validation_epoch_end(trainer, pl_module)

    watch(Sees(), epochs=1, num_sanity_val_steps=2)
    assert calls == [(True, False), (False, True)]


def test_features_without_a_dimension_of_views_are_one_view():
    probe, flat = OnlineProbe(num_classes=3), OnlineProbe(num_classes=3)
    trainer, module = SimpleNamespace(datamodule=None), SimpleNamespace()
    features, label = torch.randn(6, 4), torch.arange(6) % 3
    for callback, given in ((probe, features[None]), (flat, features)):
        callback.setup(trainer, module, "fit")
        outputs = {"features": given, "label": label}
        callback.on_train_batch_end(trainer, module, outputs, None, 0)
    weights = [callback.state_dict()["weights"]["weight0"] for callback in (probe, flat)]
    assert torch.equal(*weights)
    assert weights[0].any()
