import pytest
import torch

from sslkit.views import WeakViews


def images(n=6, channels=3):
    g = torch.Generator().manual_seed(0)
    return torch.randint(256, (n, channels, 20, 24), dtype=torch.uint8, generator=g)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_makes_one_view_of_any_number_of_channels(channels):
    views = WeakViews(size=16)
    (view,) = views(images(channels=channels))
    assert view.shape == (6, channels, 16, 16)
    assert (views.num_views, views.sizes) == (1, (16,))


def test_colours_stay_within_those_of_the_image():
    given = images()
    given[:, 1] = 100  # a constant channel has nothing that a crop or a mirror could change
    (view,) = WeakViews(size=16)(given)
    torch.testing.assert_close(view[:, 1], torch.full((6, 16, 16), 100 / 255))


def test_the_whole_image_is_cropped_and_half_of_them_are_mirrored():
    given = images(200)[..., :20]
    views = WeakViews(size=20, crop_scale=(1.0, 1.0))
    # Of a square image, the largest box is the image at ratio 1 only: others are narrower.
    params = views.draw(200, torch.Generator().manual_seed(0))
    params[0][0]["ratio"].fill_(1.0)
    (view,) = views.apply(given, params)
    plain = given.float() / 255
    same = (view - plain).flatten(1).abs().amax(1) < 1e-5
    mirrored = (view - plain.flip(-1)).flatten(1).abs().amax(1) < 1e-5
    assert bool((same ^ mirrored).all())
    assert 70 < int(mirrored.sum()) < 130


def test_refuses_what_is_out_of_range():
    with pytest.raises(ValueError, match="scale must be two numbers"):
        WeakViews(crop_scale=(0.0, 1.0))
    with pytest.raises(ValueError, match="interpolation"):
        WeakViews(interpolation="nearest")
