import numpy as np
import pytest
import torch

from sslkit.data import ImageDataModule
from sslkit.evaluation import FULL, Plan, evaluate_features, extract_features
from sslkit.evaluation import scoring as module
from sslkit.evaluation.scoring import evaluate_on
from sslkit.nn import Encoder, LayeredEncoder

OPTIONS = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 8]}
SETTINGS = {"name": "x", "seed": 0, "device": "cpu"}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("sslkit.evaluation.head_training.MIN_STEPS", 10)


def encoder(seed=0) -> Encoder:
    made = Encoder("resnet18", small_images=True, image_size=16, options=OPTIONS)
    return made.reinitialised(seed)


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    content = {}
    for split, count in (("train", 60), ("test", 30)):
        label = np.arange(count) % 3
        noise = random.integers(0, 120, (count, 16, 16, 3))
        content[f"x_{split}"] = (noise + 60 * label[:, None, None, None]).astype(np.uint8)
        content[f"y_{split}"] = label
    np.savez(tmp_path / "images.npz", **content)
    return ImageDataModule(str(tmp_path / "images.npz"), batch_size=16)


def small(**changes):
    plan = {"grid": (1, 5), "sweep": True, "epochs": 1, "layers": 2, "shots": (1,), "seeds": 2}
    return Plan(name="full", details=True, pixels=True, **(plan | changes))


def test_rows_stand_in_their_order_and_are_what_they_are_alone(data):
    best = {"best checkpoint (a.ckpt, by loss)": encoder(7)}
    report = evaluate_on(encoder(), data, best=best, **SETTINGS).report
    names = ["pretrained", "best checkpoint (a.ckpt, by loss)", "random initialisation"]
    assert [scores.encoder for scores in report.scores] == names
    loaders = [data.eval_dataloader("train_and_held_out"), data.eval_dataloader("test")]
    for scores, net in zip(report.scores, [encoder(), encoder(7), encoder()], strict=True):
        sides = [extract_features(net, loader) for loader in loaders]
        assert scores == evaluate_features(*sides, seed=0, name=scores.encoder)
    assert set(names[1:]) <= report.to_dict()["protocol"].keys()


def test_the_full_plan_adds_pixels_layers_and_what_features_are_like(data, tmp_path, capsys):
    found = evaluate_on(encoder(5), data, plan=small(), cache=tmp_path / "c", keep=True, **SETTINGS)
    pretrained, random, pixels = found.report.scores
    assert pixels.encoder == "raw pixels" and pixels.feature_width == 16 * 16 * 3
    assert {head.layer for head in pixels.sweep.held_out} == {"output"}
    for scores in (pretrained, random):
        layers = {head.layer for head in scores.sweep.held_out}
        assert layers == {
            "output", "map 1 of 2, mean", "map 1 of 2, maximum", "map 2 of 2, maximum"
        }  # fmt: skip
        assert scores.feature_width == 8 and scores.representation.images["rankme"] == 30
    assert len(list((tmp_path / "c").iterdir())) == 6
    assert found.features["pretrained"][0].features.shape == (60, 8)
    names = {path.stem for path in found.draw(tmp_path / "pictures")}
    assert names == {"neighbours", "tsne", "feature_maps", "confusion", "spectrum"}
    assert "Evaluating: raw pixels (3 of 3)" in capsys.readouterr().out


def test_what_is_cached_is_not_extracted_again(data, tmp_path, monkeypatch):
    plan = small(grid=(), sweep=False, shots=(), seeds=1)
    first = evaluate_on(encoder(), data, plan=plan, cache=tmp_path, **SETTINGS).report
    calls = []

    class Counts(LayeredEncoder):
        def forward(self, x):
            calls.append(len(x))
            return super().forward(x)

    monkeypatch.setattr(module, "LayeredEncoder", Counts)
    again = evaluate_on(encoder(), data, plan=plan, cache=tmp_path, **SETTINGS).report
    assert again.to_dict() == first.to_dict() and calls == []
    evaluate_on(encoder(3), data, plan=plan, cache=tmp_path, **SETTINGS)
    assert sum(calls) == 90  # other weights; the random row is there


def test_an_encoder_is_left_as_it_was(data):
    net = encoder().train()
    evaluate_on(net, data, plan=small(grid=(), sweep=False, shots=(), seeds=1), **SETTINGS)
    assert all(part.training for part in net.modules())


def test_pictures_need_features(data, tmp_path):
    with pytest.raises(ValueError, match="keep=True"):
        evaluate_on(encoder(), data, **SETTINGS).draw(tmp_path)


def test_features_that_are_not_finite_are_named_whatever_the_plan(data, tmp_path):
    net = encoder()
    with torch.no_grad():
        net.backbone.layer4[0].conv1.weight[0] = float("nan")
    for plan in (Plan(), FULL):
        with pytest.raises(ValueError, match="pretrained encoder are not finite for 60 of 60"):
            evaluate_on(net, data, plan=plan, cache=tmp_path, **SETTINGS)
