import pytest
import pytorch_lightning as pl
import torch
from labelled import data, settled
from torch import nn

from sslkit.callbacks.image_features import aside, image_data, image_features


class Module(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = settled(image_size=16)


@pytest.fixture
def module() -> Module:
    return Module()


def test_features_are_those_of_whole_images_in_eval_mode(module):
    module.encoder.train()
    module.encoder.backbone.bn1.eval()
    given = data()
    loader, found = image_features(given, module, "val", None)
    assert module.encoder.training and not module.encoder.backbone.bn1.training
    module.encoder.eval()
    with torch.no_grad():
        parts = [module.encoder(module.encoder.preprocess(b.image)) for b in loader]
    torch.testing.assert_close(found.features, torch.cat(parts))
    assert found.index.tolist() == [*range(32)] and found.labels.tolist() == [0, 1, 2, 3] * 8


def test_fewer_images_are_the_same_ones_every_time(module):
    _, first = image_features(data(), module, "train", 10)
    torch.rand(3)
    _, again = image_features(data(), module, "train", 10)
    assert first.index.tolist() == again.index.tolist() and len(first.index) == 10


def test_other_features_may_be_asked_for(module):
    class Sums(nn.Module):
        def preprocess(self, images):
            return images.float()

        def forward(self, x):
            return x.sum((2, 3))

    loader, found = image_features(data(), module, "val", 8, through=Sums())
    (batch,) = loader
    assert torch.equal(found.features, batch.image.float().sum((2, 3)))


def test_what_is_done_aside_leaves_no_trace_and_may_learn():
    before = torch.get_rng_state()
    with torch.inference_mode():
        with aside():
            torch.rand(9)
            weight = torch.ones(2, requires_grad=True)
            weight.square().sum().backward()
        assert torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert weight.grad.tolist() == [2, 2]


def test_a_run_without_images_to_read_is_named(module, tmp_path):
    class Run:
        datamodule = data()

    assert image_data(Run(), module, "Reader") is Run.datamodule
    Run.datamodule = object()
    with pytest.raises(ValueError, match=r"Reader reads un-augmented .* no sslkit\.data\.Image"):
        image_data(Run(), module, "Reader")
    module.encoder = nn.Identity()
    with pytest.raises(ValueError, match=r"must be an sslkit\.nn\.Encoder, and Module has none"):
        image_data(Run(), module, "Reader")
