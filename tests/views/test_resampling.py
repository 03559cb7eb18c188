import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from sslkit.views.resampling import Interpolation, resampling_taps
from sslkit.views.separable import scattered

MODES: dict[Interpolation, InterpolationMode] = {
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}


def resampling_weights(start: torch.Tensor, length: torch.Tensor, *, source: int, **settings):
    return scattered(resampling_taps(start, length, source=source, **settings), source)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("source", "size"), [(40, 9), (40, 40), (9, 40), (40, 1), (1, 7), (33, 32), (300, 96)]
)
def test_one_axis_equals_torchvisions_antialiased_resize(interpolation, source, size):
    start, length = torch.tensor([0]), torch.tensor([source])
    weights = resampling_weights(
        start, length, source=source, size=size, interpolation=interpolation
    )
    identity = torch.eye(source)[None]  # resizing the rows of I gives the matrix itself
    expected = F.resize(identity, [size, source], MODES[interpolation], antialias=True)
    torch.testing.assert_close(weights, expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_weights_stay_in_their_interval_and_sum_to_one(interpolation):
    start, length = torch.tensor([0, 3, 19]), torch.tensor([20, 5, 1])
    weights = resampling_weights(start, length, source=20, size=8, interpolation=interpolation)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 8))
    for row, first, count in zip(weights, start, length, strict=True):
        outside = torch.ones(20, dtype=torch.bool)
        outside[first : first + count] = False
        assert not row[:, outside].any()


def test_mirrored_rows_are_the_plain_rows_reversed():
    start, length = torch.tensor([2, 2]), torch.tensor([11, 11])
    plain, mirrored = resampling_weights(
        start,
        length,
        source=16,
        size=6,
        interpolation="bicubic",
        mirrored=torch.tensor([False, True]),
    )
    torch.testing.assert_close(mirrored, plain.flip(0), rtol=0, atol=1e-6)


def test_pixels_of_a_point_differ_and_lie_on_the_axis():
    start, length = torch.tensor([0.0, 3.0, 19.0]), torch.tensor([20.0, 5.0, 1.0])
    taps = resampling_taps(start, length, source=20, size=8, interpolation="bicubic")
    assert (taps.pixel.diff(dim=2) == 1).all()
    assert taps.pixel.min() >= 0
    assert taps.pixel.max() <= 19
