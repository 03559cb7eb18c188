import pytest
import torch
from torchvision.transforms.v2 import functional as F

from sslkit.views.colour import blend_, rotate_hue_

FACTORS = torch.tensor([0.0, 0.3, 1.0, 1.7, 0.6, 2.0])


def pictures(channels: int) -> torch.Tensor:
    """Noise, with pixels at the corners of the colour cube and on its grey axis among it."""
    images = torch.rand(6, channels, 9, 8, generator=torch.Generator().manual_seed(0))
    images[:, :, 0] = images[:, :, 0].round()
    images[:, :, 1] = images[:, :1, 1]
    images[0, 0, 2:4] = images[0, -1, 2:4]  # ties between channels, where hue changes sector
    return images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("adjust", "to_grey", "to_mean"),
    [
        (F.adjust_brightness, 0.0, 0.0),
        (F.adjust_contrast, 0.0, 1.0),
        (F.adjust_saturation, 1.0, 0.0),
    ],
)
def test_blend_equals_torchvision(channels, adjust, to_grey, to_mean):
    images = pictures(channels)
    ours = blend_(
        images.clone(),
        FACTORS,
        to_grey=torch.full((6,), to_grey),
        to_mean=torch.full((6,), to_mean),
    )
    for our, image, factor in zip(ours, images, FACTORS.tolist(), strict=True):
        torch.testing.assert_close(our, adjust(image, factor), rtol=0, atol=3e-4)


def test_blend_at_factor_one_is_the_identity_bit_by_bit():
    images = pictures(3)
    one, zero = torch.ones(6), torch.zeros(6)
    for to_grey, to_mean in ((zero, zero), (zero, one), (one, zero)):
        ours = blend_(images.clone(), one, to_grey=to_grey, to_mean=to_mean)
        assert torch.equal(ours, images)


@pytest.mark.parametrize("turns", [-0.5, -0.3, -0.05, 0.0, 0.11, 1 / 3, 0.5])
def test_hue_equals_torchvision(turns):
    images = pictures(3)
    torch.testing.assert_close(
        rotate_hue_(images.clone(), torch.full((6,), turns)),
        F.adjust_hue(images, turns),
        rtol=0,
        atol=1e-5,
    )


def test_hue_turns_red_to_green_to_blue_and_leaves_greys():
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    third = torch.tensor([1 / 3])
    green = rotate_hue_(red.clone(), third)
    torch.testing.assert_close(green.flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-5, rtol=0)
    blue = rotate_hue_(green.clone(), third)
    torch.testing.assert_close(blue.flatten(), torch.tensor([0.0, 0.0, 1.0]), atol=1e-5, rtol=0)
    greys = torch.tensor([0.0, 0.4, 1.0]).expand(1, 3, 1, 3)
    assert torch.equal(rotate_hue_(greys.clone(), third), greys)
