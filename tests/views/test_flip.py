import pytest
import torch

from sslkit.views import HorizontalFlip


def test_only_the_chosen_images_are_mirrored():
    images = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    before = images.clone()
    chosen = torch.tensor([True, False, False, True])
    flipped = HorizontalFlip().apply(images, {"apply": chosen})
    expected = torch.where(chosen[:, None, None, None], images.flip(-1), images) / 255
    torch.testing.assert_close(flipped, expected)
    assert torch.equal(images, before)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probability(probability):
    draw = HorizontalFlip(probability=probability).draw(4000, torch.Generator().manual_seed(0))
    assert draw["apply"].float().mean().item() == pytest.approx(probability, abs=0.03)


def test_bad_probability_is_named():
    with pytest.raises(ValueError, match=r"probability must be .* got -0.1"):
        HorizontalFlip(probability=-0.1)
