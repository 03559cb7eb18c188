import pytest
import torch
from scipy.stats import kstest
from torchvision.transforms.v2 import functional as F

from sslkit.views import GaussianBlur


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("height", "width", "kernel"), [(32, 32, 3), (96, 96, 9), (224, 224, 23), (60, 45, 5)]
)
def test_chosen_images_equal_torchvisions_blur_at_their_own_sigma(height, width, kernel):
    images = torch.randint(0, 256, (4, 3, height, width), dtype=torch.uint8, generator=seeded())
    sigma = torch.tensor([0.1, 0.7, 1.3, 2.0])
    chosen = torch.tensor([True, False, True, True])
    ours = GaussianBlur().apply(images, {"apply": chosen, "sigma": sigma})
    for our, image, s, blurred in zip(ours, images / 255, sigma.tolist(), chosen, strict=True):
        expected = F.gaussian_blur(image, [kernel, kernel], [s, s]) if blurred else image
        torch.testing.assert_close(our, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_tiny_images_are_blurred_as_far_as_they_can_be_mirrored(side):
    blur = GaussianBlur(probability=1)
    flat = torch.full((2, 3, side, side), 200, dtype=torch.uint8)
    torch.testing.assert_close(blur.apply(flat, blur.draw(2)), flat / 255)


def test_draws():
    draw = GaussianBlur(probability=0.1, sigma=(0.5, 1.5)).draw(5000, seeded())
    assert kstest(draw["sigma"].numpy(), "uniform", args=(0.5, 1.0)).pvalue > 0.01
    assert draw["apply"].float().mean().item() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": (0.0, 1.0)}, "sigma must be"),
        ({"sigma": (2.0, 0.1)}, r"sigma must be .* got \[2.0, 0.1\]"),
        ({"kernel": 0}, "kernel must be .* got 0"),
        ({"probability": -1}, "probability must be"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GaussianBlur(**arguments)
