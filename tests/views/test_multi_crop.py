import pytest
import torch

from sslkit.views import ColorJitter, GaussianBlur, MultiCropViews, RandomGrayscale
from sslkit.views import RandomResizedCrop as Crop


def test_large_views_come_first_and_have_swavs_settings():
    views = MultiCropViews()
    assert views.sizes == (224, 224, 96, 96, 96, 96, 96, 96)
    large, small = views.views[0], views.views[-1]
    for view, scale in ((large, (0.14, 1.0)), (small, (0.05, 0.14))):
        crop, jitter, grey, blur = view.operations
        assert isinstance(crop, Crop)
        assert (crop.scale, crop.interpolation, crop.flip) == (scale, "bilinear", 0.5)
        assert isinstance(jitter, ColorJitter)
        widths = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
        assert (widths, jitter.probability) == ((0.8, 0.8, 0.8, 0.2), 0.8)
        assert isinstance(grey, RandomGrayscale)
        assert isinstance(blur, GaussianBlur)
        assert (grey.probability, blur.probability, blur.sigma) == (0.2, 0.5, (0.1, 2.0))


def test_every_view_has_a_draw_of_its_own():
    images = torch.randint(0, 256, (4, 3, 30, 30), dtype=torch.uint8)
    views = MultiCropViews(size=12, small_size=6, small_views=3, blur=False)(images)
    assert [view.shape[-1] for view in views] == [12, 12, 6, 6, 6]
    assert len({view.sum().item() for view in views}) == 5


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="small_views must be at least 1, got 0"):
        MultiCropViews(small_views=0)
    with pytest.raises(ValueError, match=r"crop_scale must be .* got \[0.5, 0.1\]"):
        MultiCropViews(small_crop_scale=(0.5, 0.1))
