from itertools import permutations

import pytest
import torch
from scipy.stats import chisquare, kstest
from torchvision.transforms.v2 import functional as F

from sslkit.views import ColorJitter

ADJUST = {
    0: ("brightness", F.adjust_brightness),
    1: ("contrast", F.adjust_contrast),
    2: ("saturation", F.adjust_saturation),
    3: ("hue", F.adjust_hue),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_gets_torchvisions_operations_in_its_own_order(channels):
    images = torch.randint(0, 256, (48, channels, 12, 10), dtype=torch.uint8, generator=seeded())
    before = images.clone()
    jitter = ColorJitter(probability=0.7)
    params = jitter.draw(48, seeded(1))
    params["order"] = torch.tensor(list(permutations(range(4))) * 2)
    ours = jitter.apply(images, params)
    for i, image in enumerate(images / 255):
        if params["apply"][i]:
            for operation in params["order"][i].tolist():
                name, adjust = ADJUST[operation]
                image = adjust(image, params[name][i].item())
        torch.testing.assert_close(ours[i], image, rtol=0, atol=1 / 255)
        assert (ours[i] - image).abs().mean() < 2e-4
    assert torch.equal(images, before)


def test_factors_are_uniform_in_their_ranges():
    jitter = ColorJitter(brightness=0.4, contrast=1.5, saturation=0.2, hue=0.1, probability=0.8)
    params = jitter.draw(5000, seeded())
    for name, low, high in (
        ("brightness", 0.6, 1.4),
        ("contrast", 0.0, 2.5),
        ("saturation", 0.8, 1.2),
        ("hue", -0.1, 0.1),
    ):
        values = params[name].numpy()
        assert kstest(values, "uniform", args=(low, high - low)).pvalue > 0.01, name
    assert params["apply"].float().mean().item() == pytest.approx(0.8, abs=0.02)


def test_every_order_is_equally_likely():
    orders = ColorJitter().draw(4800, seeded())["order"]
    assert torch.equal(orders.sort(dim=1).values, torch.arange(4).expand(4800, -1))
    counts = orders.unique(dim=0, return_counts=True)[1]
    assert len(counts) == 24
    assert chisquare(counts.numpy()).pvalue > 0.01


def test_a_width_of_zero_leaves_that_property_alone():
    images = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8, generator=seeded())
    jitter = ColorJitter(brightness=0, contrast=0, saturation=0, hue=0, probability=1)
    torch.testing.assert_close(jitter.apply(images, jitter.draw(8)), images / 255)


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_other_channel_counts_are_refused(channels):
    jitter = ColorJitter()
    images = torch.zeros(2, channels, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"ColorJitter needs .* got {channels} .*strength=0"):
        jitter.apply(images, jitter.draw(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"brightness": -0.1}, "brightness must be at least 0.* got -0.1"),
        ({"saturation": -1}, "saturation must be"),
        ({"hue": 0.6}, "hue must be .* got 0.6"),
        ({"probability": 2}, "probability must be .* got 2"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ColorJitter(**arguments)
