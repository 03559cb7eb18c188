import math

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import InterpolationMode
from torchvision.transforms import RandomResizedCrop as TorchvisionCrop
from torchvision.transforms.v2 import functional as F

from sslkit.views import RandomResizedCrop, pieces

MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("size", "height", "width"),
    [
        (32, 96, 80),
        (32, 32, 32),
        (32, 20, 24),
        (96, 200, 150),
        (96, 96, 96),
        (96, 40, 60),
        (224, 256, 300),
        (224, 120, 90),
    ],
)
def test_crop_equals_torchvisions_resized_crop(interpolation, size, height, width):
    images = torch.randint(0, 256, (6, 3, height, width), dtype=torch.uint8, generator=seeded())
    crop = RandomResizedCrop(size=size, interpolation=interpolation, flip=0.5)
    params = crop.draw(6, seeded(1))
    params["flip"] = torch.tensor([False, True] * 3)
    views = crop.apply(images, params)
    boxes = torch.stack(crop.boxes(params, height, width), dim=1).int().tolist()
    for view, image, box, flip in zip(views, images, boxes, params["flip"], strict=True):
        expected = F.resized_crop(image / 255, *box, [size, size], MODES[interpolation], True)
        expected = expected.flip(-1) if flip else expected
        torch.testing.assert_close(view, expected.clamp(0, 1), rtol=0, atol=1e-4)
        if interpolation == "bilinear":  # torchvision rounds uint8 to whole values, twice
            rounded = F.resized_crop(image, *box, [size, size], MODES[interpolation], True)
            rounded = rounded.flip(-1) if flip else rounded
            torch.testing.assert_close(view, rounded / 255, rtol=0, atol=1.01 / 255)


def box_of_one_image(area, ratio, top, left, height, width, limits):
    """Torchvision's rule for one image, from its numbers."""
    for fraction, shape in zip(area, ratio, strict=True):
        w = round(math.sqrt(fraction * height * width * shape))
        h = round(math.sqrt(fraction * height * width / shape))
        if 0 < w <= width and 0 < h <= height:
            return int(top * (height - h + 1)), int(left * (width - w + 1)), h, w
    h, w = height, width
    if width / height < limits[0]:
        h = round(width / limits[0])
    elif width / height > limits[1]:
        w = round(height * limits[1])
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize(("height", "width"), [(32, 32), (30, 100), (100, 30), (5, 40), (3, 3)])
@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.9, 1.0), (0.01, 0.02)])
def test_boxes_follow_the_rule_that_a_loop_follows(height, width, scale):
    crop = RandomResizedCrop(size=8, scale=scale)
    params = crop.draw(400, seeded())
    got = torch.stack(crop.boxes(params, height, width), dim=1).int().tolist()
    columns = (params[name].double().tolist() for name in ("area", "ratio", "top", "left"))
    expected = [
        box_of_one_image(*numbers, height, width, crop.ratio)
        for numbers in zip(*columns, strict=True)
    ]
    assert got == [list(box) for box in expected]


def recovered_boxes(crop: RandomResizedCrop, side: int, n: int, seed: int):
    """Boxes and flips read off the views of an image whose values are its own coordinates.

    The views must be larger than the image: then bilinear resampling is exact on a linear image.
    """
    line = torch.arange(side, dtype=torch.uint8)
    image = torch.stack([line[None, :].expand(side, -1), line[:, None].expand(-1, side)])
    views = crop.apply(image.expand(n, -1, -1, -1), crop.draw(n, seeded(seed))) * 255
    first, second = crop.size // 2 - 1, crop.size // 2  # away from the border: linear
    x = views[:, 0, first, :]
    y = views[:, 1, :, first]
    flipped = x[:, second] < x[:, first]
    x = torch.where(flipped[:, None], x.flip(1), x)
    width = (x[:, second] - x[:, first]) * crop.size
    height = (y[:, second] - y[:, first]) * crop.size
    left = (x[:, second] + x[:, first]) / 2 + 0.5 - width / 2
    top = (y[:, second] + y[:, first]) / 2 + 0.5 - height / 2
    return top, left, height, width, flipped


def test_boxes_have_torchvisions_distribution():
    n, side, scale, ratio = 2000, 64, [0.2, 0.9], [0.6, 1.5]
    crop = RandomResizedCrop(
        size=66, scale=(0.2, 0.9), ratio=(0.6, 1.5), interpolation="bilinear", flip=0.5
    )
    top, left, height, width, flipped = recovered_boxes(crop, side, n, seed=3)
    for whole in (top, left, height, width):
        torch.testing.assert_close(whole, whole.round(), rtol=0, atol=2e-2)
    torch.manual_seed(4)
    blank = torch.empty(1, side, side)
    theirs = torch.tensor([TorchvisionCrop.get_params(blank, scale, ratio) for _ in range(n)])
    t_top, t_left, t_height, t_width = theirs.double().unbind(1)

    def same(ours, theirs):
        assert ks_2samp(ours.round().numpy(), theirs.numpy()).pvalue > 0.01

    same(height.round() * width.round(), t_height * t_width)
    same(top, t_top)
    same(left, t_left)
    same(top.round() + height.round(), t_top + t_height)
    ours_shape, their_shape = (width.round() / height.round()).log(), (t_width / t_height).log()
    assert ks_2samp(ours_shape.numpy(), their_shape.numpy()).pvalue > 0.01
    assert flipped.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_a_batch_cut_into_pieces_gives_the_same_views(monkeypatch):
    images = torch.randint(0, 256, (7, 3, 20, 20), dtype=torch.uint8, generator=seeded())
    crop = RandomResizedCrop(size=8, flip=0.5)
    params = crop.draw(7, seeded(1))
    whole = crop.apply(images, params)
    monkeypatch.setattr(pieces, "_CACHED", 2 * 3 * 8 * 8)
    torch.testing.assert_close(crop.apply(images, params), whole)


def test_memory_format_and_channel_count_do_not_matter():
    images = torch.randint(0, 256, (4, 5, 20, 20), dtype=torch.uint8, generator=seeded())
    crop = RandomResizedCrop(size=8)
    params = crop.draw(4, seeded(1))
    views = crop.apply(images.contiguous(memory_format=torch.channels_last), params)
    torch.testing.assert_close(views, crop.apply(images, params))
    torch.testing.assert_close(views[:, :2], crop.apply(images[:, :2], params))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be .* got 0"),
        ({"size": 8, "scale": (1.0, 0.08)}, r"scale must be .* got \[1.0, 0.08\]"),
        ({"size": 8, "scale": (0.0, 1.0)}, "scale must be"),
        ({"size": 8, "scale": (0.5, 1.5)}, "scale must be"),
        ({"size": 8, "scale": (0.5,)}, r"scale must be two numbers.* got \[0.5\]"),
        ({"size": 8, "ratio": (2.0, 1.0)}, "ratio must be"),
        ({"size": 8, "flip": 1.5}, "flip must be .* got 1.5"),
        ({"size": 8, "interpolation": "nearest"}, "interpolation must be .* got 'nearest'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomResizedCrop(**arguments)
