import pytest
import torch
from torchvision.transforms.v2 import functional as F

from sslkit.views import Posterize


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_chosen_images_equal_torchvisions(bits):
    images = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    images[0, 0, 0] = torch.tensor([0.0, 1.0] * 4 + [0.5])
    chosen = torch.tensor([True, False, True, True])
    ours = Posterize(bits=bits).apply(images, {"apply": chosen})
    for our, image, is_chosen in zip(ours, images, chosen, strict=True):
        assert torch.equal(our, F.posterize(image, bits) if is_chosen else image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"bits": 0}, "bits must be .* got 0"), ({"probability": 2}, "probability must be")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Posterize(**arguments)
