import inspect

import pytest
import torch

from sslkit.views import (
    BYOLViews,
    ColorJitter,
    GaussianBlur,
    MoCoV1Views,
    MoCoV2Views,
    RandomGrayscale,
    RandomResizedCrop,
    SimCLRViews,
    Solarize,
    Views,
    WMSEViews,
)

RECIPES = [SimCLRViews, MoCoV1Views, MoCoV2Views, BYOLViews, WMSEViews]
# Those whose views all have one distribution and may be more than two.
ALIKE = [SimCLRViews, MoCoV2Views, WMSEViews]


def batch(channels: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (16, channels, 20, 20), dtype=torch.uint8)


def settings(views: Views) -> list[dict[str, dict[str, object]]]:
    return [{type(op).__name__: vars(op) for op in view.operations} for view in views.views]


def jitter(brightness, contrast, saturation, hue, probability=0.8):
    names = ("brightness", "contrast", "saturation", "hue")
    widths = dict(zip(names, (brightness, contrast, saturation, hue), strict=True))
    return {name: pytest.approx(width) for name, width in widths.items()} | {
        "probability": probability,
        "affine": False,
    }


def test_simclr_has_the_papers_settings():
    first, second = settings(SimCLRViews())
    assert first == second
    assert list(first) == ["RandomResizedCrop", "ColorJitter", "RandomGrayscale", "GaussianBlur"]
    crop = first["RandomResizedCrop"]
    assert (crop["size"], crop["scale"], crop["flip"]) == (224, (0.08, 1.0), 0.5)
    assert (crop["ratio"], crop["interpolation"]) == ((3 / 4, 4 / 3), "bicubic")
    assert first["ColorJitter"] == jitter(0.8, 0.8, 0.8, 0.2)
    assert first["RandomGrayscale"] == {"probability": 0.2}
    assert first["GaussianBlur"] == {"probability": 0.5, "sigma": (0.1, 2.0), "kernel": 0.1}


def test_moco_v1_has_the_codes_settings_and_turns_grey_before_it_jitters():
    first, second = settings(MoCoV1Views())
    assert first == second
    assert list(first) == ["RandomResizedCrop", "RandomGrayscale", "ColorJitter"]
    crop = first["RandomResizedCrop"]
    assert (crop["size"], crop["scale"], crop["flip"]) == (224, (0.2, 1.0), 0.5)
    assert crop["interpolation"] == "bilinear"
    assert first["RandomGrayscale"] == {"probability": 0.2}
    assert first["ColorJitter"] == jitter(0.4, 0.4, 0.4, 0.4, probability=1.0)


@pytest.mark.parametrize("views", [2, 4])
def test_w_mse_has_the_codes_settings_for_cifar_and_crops_last(views):
    first, *others = settings(WMSEViews(views=views))
    assert others == [first] * (views - 1)
    assert list(first) == ["ColorJitter", "RandomGrayscale", "RandomResizedCrop"]
    crop = first["RandomResizedCrop"]
    assert (crop["size"], crop["scale"], crop["flip"]) == (32, (0.2, 1.0), 0.5)
    assert crop["interpolation"] == "bicubic"
    assert first["RandomGrayscale"] == {"probability": 0.1}
    assert first["ColorJitter"] == jitter(0.4, 0.4, 0.4, 0.1)


def test_w_mse_has_settings_for_imagenet():
    recipe = WMSEViews(size=224, strength=2, grayscale=0.2, blur=True, crop_scale=(0.08, 1.0))
    first, _ = settings(recipe)
    names = ["ColorJitter", "RandomGrayscale", "RandomResizedCrop", "GaussianBlur"]
    assert list(first) == names
    assert first["ColorJitter"] == jitter(0.8, 0.8, 0.8, 0.2)
    assert first["GaussianBlur"]["probability"] == 0.5


def test_moco_v2_has_the_papers_settings():
    first, second = settings(MoCoV2Views())
    assert first == second
    crop = first["RandomResizedCrop"]
    assert (crop["scale"], crop["interpolation"], crop["flip"]) == ((0.2, 1.0), "bilinear", 0.5)
    assert first["ColorJitter"] == jitter(0.4, 0.4, 0.4, 0.1)
    assert first["RandomGrayscale"] == {"probability": 0.2}
    assert first["GaussianBlur"]["probability"] == 0.5
    assert "Solarize" not in first


def test_byol_has_the_papers_settings_and_its_views_differ():
    first, second = settings(BYOLViews())
    for view in (first, second):
        crop = view["RandomResizedCrop"]
        assert (crop["scale"], crop["interpolation"]) == ((0.08, 1.0), "bicubic")
        assert view["ColorJitter"] == jitter(0.4, 0.4, 0.2, 0.1)
        assert view["RandomGrayscale"] == {"probability": 0.2}
    assert (first["GaussianBlur"]["probability"], "Solarize" in first) == (1.0, False)
    assert second["GaussianBlur"]["probability"] == 0.1
    assert second["Solarize"] == {"probability": 0.2, "threshold": 0.5}


def test_strength_scales_every_width():
    assert settings(SimCLRViews(strength=0.5))[0]["ColorJitter"] == jitter(0.4, 0.4, 0.4, 0.1)


def test_switches_leave_their_operation_out():
    (first, _) = settings(SimCLRViews(size=32, strength=0, grayscale=0, blur=False))
    assert list(first) == ["RandomResizedCrop"]
    for view in settings(BYOLViews(blur=False, solarize=False)):
        assert list(view) == ["RandomResizedCrop", "ColorJitter", "RandomGrayscale"]


@pytest.mark.parametrize("recipe", ALIKE)
def test_more_views_have_draws_of_their_own(recipe):
    views = recipe(size=12, views=3)(batch())
    assert len(views) == 3
    assert len({view.sum().item() for view in views}) == 3
    with pytest.raises(ValueError, match=r"views must be at least 1 view .* got 0"):
        recipe(views=0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_colour_and_grey_images_just_work(recipe, channels):
    images = batch(channels)
    views = recipe(size=12)(images)
    assert len(views) == 2
    for view in views:
        assert view.shape == (16, channels, 12, 12)
        assert view.dtype == torch.float32
        assert view.is_contiguous()
        assert view.min() >= 0
        assert view.max() <= 1
    assert not torch.equal(*views)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("channels", [2, 4, 13])
def test_other_channel_counts_work_without_colour(recipe, channels):
    views = recipe(size=12, strength=0, grayscale=0)(batch(channels))
    assert [view.shape for view in views] == [(16, channels, 12, 12)] * 2
    with pytest.raises(ValueError, match=f"3 channels .* got {channels} channels"):
        recipe(size=12)(batch(channels))
    with pytest.raises(ValueError, match="grayscale=0"):
        recipe(size=12, strength=0)(batch(channels))


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_image_and_an_empty_batch(recipe):
    assert recipe(size=12)(batch()[:1])[0].shape == (1, 3, 12, 12)
    assert recipe(size=12)(batch()[:0])[0].shape == (0, 3, 12, 12)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be .* got 0"),
        ({"strength": -1}, "strength must be .* got -1"),
        ({"strength": 9}, "strength must be .* got 9"),
        ({"grayscale": 1.2}, "grayscale must be .* got 1.2"),
        ({"crop_scale": (1.0, 0.2)}, r"crop_scale must be .* got \[1.0, 0.2\]"),
        ({"mean": [0.5, 0.5, 0.5]}, "mean and std go together"),
    ],
)
def test_bad_arguments_are_named(recipe, arguments, message):
    with pytest.raises(ValueError, match=message):
        recipe(**arguments)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_argument_is_keyword_only_and_annotated(recipe):
    parameters = list(inspect.signature(recipe.__init__).parameters.values())[1:]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)
    assert all(p.annotation is not p.empty for p in parameters)


def test_every_operation_type_is_used():
    used = {type(op) for recipe in RECIPES for view in recipe().views for op in view.operations}
    assert used == {RandomResizedCrop, ColorJitter, RandomGrayscale, GaussianBlur, Solarize}
