import pytest
import torch
from torchvision.transforms.v2 import functional as F

from sslkit.views import Solarize


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_chosen_images_equal_torchvisions_solarise(threshold):
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(3, 2, 1, 1)
    chosen = torch.tensor([True, False, True])
    ours = Solarize(threshold=threshold).apply(images, {"apply": chosen})
    expected = images / 255
    expected[chosen] = F.solarize(expected[chosen], threshold)
    assert torch.equal(ours, expected)


def test_the_default_threshold_is_128():
    images = torch.tensor([127, 128], dtype=torch.uint8).view(1, 1, 1, 2)
    ours = Solarize().apply(images, {"apply": torch.tensor([True])})
    torch.testing.assert_close(ours.flatten(), torch.tensor([127 / 255, 127 / 255]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"threshold": 128}, "threshold must be .* got 128"), ({"probability": 3}, "probability")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Solarize(**arguments)
