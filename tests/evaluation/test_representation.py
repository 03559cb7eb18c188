import pytest
import torch

from sslkit.evaluation import extract_features
from sslkit.evaluation import representation as module
from sslkit.evaluation.raw_pixels import RawPixels
from sslkit.evaluation.representation import describe_features
from sslkit.functional import representation_figures, singular_values
from sslkit.nn import Encoder

OPTIONS = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 8]}


@pytest.fixture
def net():
    made = Encoder("resnet18", small_images=True, in_channels=1, image_size=8, options=OPTIONS)
    made.set_statistics([0.4], [0.3])
    return made.reinitialised(0)


def images(count=40):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)


def test_figures_are_those_of_the_functions(net):
    batches = list(images().split(16))
    features = extract_features(net, batches)
    net.train()
    found = describe_features(net, batches, features, seed=3)
    assert net.training
    expected = representation_figures(features.features)
    assert {n: found.figures[n] for n in expected} == pytest.approx(
        {n: float(v) for n, v in expected.items()}, rel=1e-4
    )
    assert 0 < found.figures["alignment"] < 4
    assert found.images == dict.fromkeys(found.figures, 40)
    torch.testing.assert_close(found.singular_values, singular_values(features.features))
    plain = found.to_dict()
    assert len(plain["singular_values"]) == len(plain["dimension_std"]) == 8
    assert found.figures == describe_features(net, batches, features, seed=3).figures


def test_of_many_images_some_are_drawn(net, monkeypatch):
    for name, count in (("SPECTRUM_IMAGES", 30), ("PAIR_IMAGES", 20), ("VIEW_IMAGES", 10)):
        monkeypatch.setattr(module, name, count)
    batches = [images()]
    features = extract_features(net, batches)
    found = describe_features(net, batches, features, seed=3)
    assert found.images["rankme"] == 30 and found.images["uniformity"] == 20
    assert found.images["alignment"] == 10
    other = describe_features(net, batches, features, seed=4)
    assert found.figures["rankme"] != other.figures["rankme"]


def test_two_views_that_are_the_same_are_aligned(net, monkeypatch):
    monkeypatch.setattr(module, "CROP", (1.0, 1.0))
    flat = torch.arange(0, 200, 5, dtype=torch.uint8).view(40, 1, 1, 1).expand(40, 1, 8, 8)
    batches = [flat.contiguous()]
    found = describe_features(net, batches, extract_features(net, batches), seed=3)
    assert found.figures["alignment"] < 1e-6


def test_pixels_are_described_too(net):
    pixels = RawPixels(net)
    features = extract_features(pixels, [images()])
    found = describe_features(pixels, [images()], features, seed=3)
    assert len(found.dimension_std) == 64
    assert found.figures["alignment"] > 0.1
