import pytest
import torch
from torchvision.transforms.v2 import functional as F

from sslkit.views import RandomGrayscale


def test_chosen_images_equal_torchvisions_greyscale():
    images = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    chosen = torch.tensor([False, True, True, False])
    ours = RandomGrayscale().apply(images, {"apply": chosen})
    expected = images / 255
    expected[chosen] = F.rgb_to_grayscale(expected[chosen], 3)
    torch.testing.assert_close(ours, expected, rtol=0, atol=3e-4)


def test_a_grey_image_is_its_own_greyscale():
    images = torch.randint(0, 256, (3, 1, 5, 6), dtype=torch.uint8)
    ours = RandomGrayscale().apply(images, {"apply": torch.ones(3, dtype=torch.bool)})
    torch.testing.assert_close(ours, images / 255)


def test_probability():
    draw = RandomGrayscale(probability=0.2).draw(5000, torch.Generator().manual_seed(0))
    assert draw["apply"].float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_other_channel_counts_are_refused():
    images = torch.zeros(2, 4, 3, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"RandomGrayscale needs .* got 4 .*grayscale=0"):
        RandomGrayscale().apply(images, {"apply": torch.tensor([True, False])})
