"""Probe and fine-tuning on two ranks with different images, against one process on all of them."""

import pytest
import torch
from gloo import run_two_ranks
from labelled import CLASSES
from tiny import OPTIONS, encoder

from sslkit.distributed import mean_across_ranks
from sslkit.methods import FineTune, LinearProbe
from sslkit.methods.class_counts import mean_cross_entropy

IMAGES = 8  # on a rank
WIDE = {"channels": [16, 32, 32, 64]}  # several channels in each of the 16 groups
KINDS = {"LinearProbe": LinearProbe, "FineTune": FineTune}

pytestmark = pytest.mark.slow  # two processes that import Lightning


def build(name):
    torch.manual_seed(0)
    given = encoder(norm="group", options=OPTIONS | WIDE, image_size=16)
    method = KINDS[name](encoder=given)
    method.make_head(CLASSES)
    return method.double().train()


def images_of(rank):
    """Labelled images; one of the first rank's and five of the second's have no label."""
    generator = torch.Generator().manual_seed(rank)
    image = torch.rand(IMAGES, 3, 16, 16, generator=generator, dtype=torch.float64)
    label = torch.arange(IMAGES) % CLASSES
    label[: 1 + 4 * rank] = -1
    return image, label


def gradients(method, image, label, average=lambda x: x):
    learning = {n: p for n, p in method.named_parameters() if p.requires_grad}
    loss = mean_cross_entropy(method.classify(method.encoder(image)), label)
    found = torch.autograd.grad(loss, list(learning.values()))
    return {"loss": average(loss.detach())} | {
        n: average(g) for n, g in zip(learning, found, strict=True)
    }


def average_of_ranks(rank):
    return {name: gradients(build(name), *images_of(rank), mean_across_ranks) for name in KINDS}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return run_two_ranks(average_of_ranks, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", KINDS)
def test_two_ranks_equal_one_process(ranks, name):
    image, label = (torch.cat(parts) for parts in zip(images_of(0), images_of(1), strict=True))
    expected = gradients(build(name), image, label)
    assert len(expected) == (3 if name == "LinearProbe" else 1 + len([*build(name).parameters()]))
    for found in ranks:
        assert found[name].keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(found[name][key], value, rtol=1e-6, atol=1e-12)


def test_a_batch_without_labels_has_no_gradient():
    method = build("LinearProbe")
    found = gradients(method, images_of(0)[0], torch.full((IMAGES,), -1))
    assert not any(value.any() for value in found.values())
