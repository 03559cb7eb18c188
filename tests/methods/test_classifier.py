"""What the probe and the fine-tuning share: head, figures, statistics, checkpoints."""

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from labelled import CLASSES, data, settled, shades
from tiny import encoder, images, trainer
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms.v2 import functional as transforms

from sslkit.data import ImageArrays, ImageDataModule, ViewBatch
from sslkit.methods import FineTune, LinearProbe
from sslkit.nn import Encoder, load_encoder
from sslkit.optim import Constant
from sslkit.views import WeakViews

both = pytest.mark.parametrize("method", [LinearProbe, FineTune])
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


@pytest.mark.parametrize(("method", "rate"), [(LinearProbe, 10.0), (FineTune, 0.1)])
def test_learns_and_logs(tmp_path, method, rate):
    pl.seed_everything(0)
    fit = trainer(tmp_path, max_epochs=20)
    fit.fit(method(encoder=settled(), base_lr=rate, lr_scaling="none"), data())
    found = fit.callback_metrics
    assert found["val/top1"] > 0.6  # four classes
    assert {"train/loss", "train/top1", "train/lr", "val/loss"} <= found.keys()
    assert "val/top5" not in found


@both
def test_the_figures_are_those_of_the_labelled_validation_images(tmp_path, method):
    given = ImageDataModule(shades(), val_source=shades(30, unlabelled=5), batch_size=16)
    fit = trainer(tmp_path)
    fit.fit(method(encoder=settled()), given)
    model = fit.lightning_module.eval()
    batches = list(given.val_dataloader())
    image, label = (torch.cat([getattr(b, name) for b in batches]) for name in ("image", "label"))
    with torch.no_grad():
        logits = model.classify(model.encoder(model.encoder.preprocess(image)))[label >= 0]
    label = label[label >= 0]
    assert len(label) == 25
    expected = F.cross_entropy(logits, label).item()
    assert fit.callback_metrics["val/loss"].item() == pytest.approx(expected, rel=1e-4)
    top1 = (logits.argmax(1) == label).float().mean().item()
    assert fit.callback_metrics["val/top1"].item() == pytest.approx(top1)


def test_top5_is_among_the_five_best(tmp_path):
    label = torch.arange(16) % 8
    loader = DataLoader(TensorDataset(images(16), label), batch_size=8)
    fit = trainer(tmp_path)
    fit.fit(LinearProbe(encoder=settled(), num_classes=8), loader, loader)
    found = fit.callback_metrics
    assert 0 <= found["val/top1"] <= found["val/top5"] <= 1


@both
def test_unlabelled_images_give_no_gradient(method):
    pl.seed_everything(0)
    model = method(encoder=settled(), num_classes=CLASSES).eval()
    model.make_head(CLASSES)
    model.log = lambda *a, **k: None
    optimiser = SimpleNamespace(param_groups=[{"lr": 1.0}])
    model._trainer = SimpleNamespace(optimizers=[optimiser], global_step=0)
    view = torch.rand(6, 3, 16, 16)
    label = torch.tensor([0, 1, -1, 2, -1, 3])

    def gradient(rows):
        model.zero_grad()
        batch = ViewBatch([view[rows]], label[rows], label[rows])
        model.training_step(batch, 0)["loss"].backward()
        return model.head.weight.grad.clone()

    torch.testing.assert_close(gradient(slice(None)), gradient(label >= 0))
    assert not gradient(label < 0).any()


@both
def test_a_checkpoint_holds_the_encoder_like_any_other(tmp_path, method):
    fit = trainer(tmp_path)
    fit.fit(method(encoder=settled()), data())
    path = tmp_path / "last.ckpt"
    fit.save_checkpoint(path)
    loaded = load_encoder(path)
    own = fit.lightning_module.encoder.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in loaded.state_dict().items())
    again = method(checkpoint=path)
    assert all(torch.equal(x, own[n]) for n, x in again.encoder.state_dict().items())
    assert again.views.sizes == (16,)


@both
def test_a_trained_classifier_comes_back_whole(tmp_path, method):
    fit = trainer(tmp_path)
    fit.fit(method(encoder=settled()), data())
    fit.save_checkpoint(tmp_path / "last.ckpt")
    again = method.load_from_checkpoint(
        tmp_path / "last.ckpt", encoder=settled(), num_classes=CLASSES
    ).eval()
    with torch.no_grad():
        logits = [m.classify(m.encode(images(4))) for m in (again, fit.lightning_module.eval())]
    assert torch.equal(*logits)


@both
def test_a_resumed_run_ends_bit_identical(tmp_path, method):
    def run(epochs, **options):
        pl.seed_everything(0)
        fit = trainer(tmp_path, max_epochs=epochs)
        model = method(encoder=settled(), base_lr=0.5, schedule=Constant())
        fit.fit(model, data(), weights_only=True, **options)
        return fit

    whole = run(4)
    run(2).save_checkpoint(tmp_path / "half.ckpt")
    resumed = run(4, ckpt_path=tmp_path / "half.ckpt")
    one, other = (fit.lightning_module.state_dict() for fit in (whole, resumed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    before = torch.load(tmp_path / "half.ckpt", weights_only=True)["state_dict"]
    assert not torch.equal(before["head.weight"], one["head.weight"])


def test_images_are_normalised_as_the_encoder_was_trained_unless_it_knows_nothing(tmp_path):
    for given, expected in ((settled(), [0.4, 0.5, 0.6]), (encoder(image_size=16), None)):
        fit, source = trainer(tmp_path), data()
        fit.fit(FineTune(encoder=given), source)
        model = fit.lightning_module
        wanted = torch.tensor(source.mean if expected is None else expected)
        torch.testing.assert_close(model.views.mean, wanted)
        torch.testing.assert_close(model.encoder.mean, wanted)
    fit = trainer(tmp_path)
    views = WeakViews(size=16, mean=[0.1, 0.1, 0.1], std=[1.0, 1.0, 1.0])
    fit.fit(FineTune(encoder=settled(), views=views), data())
    torch.testing.assert_close(fit.lightning_module.encoder.mean, torch.full((3,), 0.1))


def test_a_checkpoint_without_statistics_keeps_to_that(tmp_path):
    fit = trainer(tmp_path)
    loader = DataLoader(TensorDataset(images(16), torch.arange(16) % 2), batch_size=16)
    # Without a data module there are no statistics.
    fit.fit(FineTune(encoder=encoder(image_size=16), num_classes=2), loader)
    fit.save_checkpoint(tmp_path / "plain.ckpt")
    fit = trainer(tmp_path)
    fit.fit(LinearProbe(checkpoint=tmp_path / "plain.ckpt"), data())
    assert fit.lightning_module.encoder.std.tolist() == [1.0, 1.0, 1.0]


def test_the_evaluation_crop_is_that_of_the_papers():
    model = LinearProbe(encoder=settled(image_size=14), eval_crop=0.875)
    given = images(4)
    crop = transforms.center_crop(given, [14, 14])  # 14 / 0.875 = 16 pixels, which they have
    with torch.no_grad():
        expected = model.encoder(model.encoder.preprocess(crop))
        torch.testing.assert_close(model.encode(given), expected)
        larger = transforms.resize(given, [32], antialias=True)
        resized = transforms.resize(larger, [16], antialias=True)
        expected = model.encoder(
            model.encoder.preprocess(transforms.center_crop(resized, [14] * 2))
        )
        torch.testing.assert_close(model.encode(larger), expected)


def test_views_of_another_size_than_the_encoders_are_those_of_the_evaluation_too():
    model = FineTune(encoder=settled(), views=WeakViews(size=24))
    assert model.encoder.image_size == model.encoder.spec()["image_size"] == 24
    vit = {"depth": 1, "embed_dim": 24, "num_heads": 2, "patch_size": 8}
    fixed = Encoder("vit_tiny_patch16_224", image_size=16, options=vit)
    with pytest.raises(ValueError, match="make image_size and the views' size agree"):
        FineTune(encoder=fixed, views=WeakViews(size=24))


@both
def test_says_what_is_missing(tmp_path, method):
    name = method.__name__
    with pytest.raises(ValueError, match=rf"{name} starts from a trained .*neither was given"):
        method()
    with pytest.raises(ValueError, match="both were given"):
        method(encoder=encoder(), checkpoint="x.ckpt")
    with pytest.raises(FileNotFoundError, match=r"no file x\.ckpt"):
        method(checkpoint="x.ckpt")
    loader = DataLoader(images(16), batch_size=16)
    with pytest.raises(ValueError, match=f"{name} learns from labels"):
        trainer(tmp_path).fit(method(encoder=encoder()), loader)
    several = DataLoader(TensorDataset(images(16), torch.ones(16, 3).bool()), batch_size=16)
    with pytest.raises(ValueError, match=r"\(16, 3\), several classes an image"):
        trainer(tmp_path).fit(method(encoder=encoder(), num_classes=3), several)
    sets = {"x": np.zeros((16, 16, 16, 3), np.uint8), "y": np.eye(16, 3) > 0}
    with pytest.raises(ValueError, match=f"{name} learns one class an image, and the training"):
        trainer(tmp_path).fit(
            method(encoder=encoder()), ImageDataModule(ImageArrays(sets), batch_size=8)
        )
    one = ImageArrays({"x": np.zeros((16, 16, 16, 3), np.uint8), "y": np.zeros(16, np.int64)})
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        trainer(tmp_path).fit(method(encoder=encoder()), ImageDataModule(one, batch_size=8))
    for arguments, message in (
        ({"base_lr": 0.0}, "base_lr must be above 0"),
        ({"eval_crop": 1.2}, "eval_crop must be above 0 and at most 1"),
        ({"num_classes": 1}, "at least two classes, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            method(encoder=encoder(), **arguments)
