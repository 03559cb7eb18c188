import pytest
import torch
from sklearn.datasets import load_sample_images

from sslkit.views import ColorJitter, RandomGrayscale, RandomResizedCrop, SimCLRViews, View
from sslkit.views.colour import LUMA
from sslkit.views.colour_map import ColourMap, colour_change


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pale(n: int = 5) -> torch.Tensor:
    """Images that none of the changes below takes out of [0, 1]."""
    return 0.4 + 0.2 * torch.rand(n, 3, 7, 6, generator=seeded())


def jitter(n: int, colour: str, **fixed: float):
    """A jitter that changes what is named, by so much, and its draws."""
    operation = ColorJitter(probability=1, colour=colour)
    params = operation.draw(n, seeded(1))
    for name, unchanged in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", 0)):
        params[name] = torch.full((n,), float(fixed.get(name, unchanged)))
    return operation, params


@pytest.mark.parametrize(
    "fixed",
    [
        {"brightness": 1.3},
        {"contrast": 0.4},
        {"saturation": 1.6},
        {"brightness": 0.7, "contrast": 1.4, "saturation": 0.2},
    ],
)
def test_all_but_hue_equal_the_exact_changes_in_any_order(fixed):
    images = pale()
    (exact, params), (fast, _) = jitter(5, "exact", **fixed), jitter(5, "fast", **fixed)
    assert len(params["order"].unique(dim=0)) > 1
    ours = fast.apply(images, params)
    torch.testing.assert_close(ours, exact.apply(images, params), rtol=0, atol=2e-6)
    assert not torch.allclose(ours, images, atol=1e-2)


def test_hue_turns_at_constant_luma_and_leaves_greys():
    images = pale()
    images[0] = images[0, :1]
    operation, params = jitter(5, "fast", hue=0.2)
    turned = operation.apply(images, params)
    weights = torch.tensor(LUMA)[:, None, None]
    torch.testing.assert_close((turned * weights).sum(1), (images * weights).sum(1))
    torch.testing.assert_close(turned[0], images[0])
    exact, _ = jitter(5, "exact")
    near, far = exact.apply(images, params), exact.apply(images, params | {"hue": -params["hue"]})
    assert (turned - near).abs().mean() < (turned - far).abs().mean() / 2  # the same way round


def test_maps_follow_one_another_as_one():
    images = pale()
    first, second = (
        colour_change(*(0.6 + 0.5 * torch.rand(4, 5, generator=seeded(seed)))) for seed in (2, 3)
    )
    one_by_one = second.apply(first.apply(images.clone()))
    torch.testing.assert_close(first.then(second).apply(images.clone()), one_by_one)


def test_a_view_applies_neighbours_as_one_map_with_the_draws_of_each(monkeypatch):
    images = torch.randint(90, 160, (6, 3, 9, 9), dtype=torch.uint8, generator=seeded())
    operations = [
        ColorJitter(brightness=0.1, contrast=0.1, saturation=0.1, hue=0.02, colour="fast"),
        RandomGrayscale(probability=0.5),
    ]
    view = View([RandomResizedCrop(size=8), *operations])
    params = view.draw(6, seeded(4))
    expected = view.operations[0].apply(images, params[0])
    for operation, draw in zip(operations, params[1:], strict=True):
        expected = operation.apply(expected, draw)
    calls = []
    applied = ColourMap.apply
    monkeypatch.setattr(ColourMap, "apply", lambda *a: calls.append(1) or applied(*a))
    torch.testing.assert_close(view.apply(images, params), expected)
    assert len(calls) == 1


def test_greys_keep_one_channel():
    images = pale()[:, :1]
    (exact, params), (fast, _) = (
        jitter(5, colour, brightness=1.2, contrast=0.5, saturation=0.3, hue=0.1)
        for colour in ("exact", "fast")
    )
    ours = fast.apply(images, params)
    torch.testing.assert_close(ours, exact.apply(images, params), rtol=0, atol=2e-6)


def photographs(n: int, side: int) -> torch.Tensor:
    """Squares of the two photographs that scikit-learn ships, (n, 3, side, side) uint8."""
    photos = [torch.from_numpy(image.copy()) for image in load_sample_images().images]
    place = torch.rand(n, 2, generator=seeded(5)).mul(torch.tensor([427 - side, 640 - side]))
    place = place.int().tolist()
    squares = [
        photos[i % 2][top : top + side, left : left + side] for i, (top, left) in enumerate(place)
    ]
    return torch.stack(squares).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("strength", "stated"), [(0.5, 6.3), (1.0, 7.9)])
def test_on_photographs_fast_colours_differ_from_exact_ones_by_what_is_stated(strength, stated):
    """In whole values of 255, the mean over pixels: the README's figures, within their noise."""
    images = photographs(256, 200)
    made = []
    for colour in ("exact", "fast"):
        views = SimCLRViews(size=32, strength=strength, blur=False, views=1, colour=colour)
        made.append(views.apply(images, views.draw(256, seeded(6)))[0])
    difference = 255 * (made[0] - made[1]).abs().mean().item()
    assert difference == pytest.approx(stated, abs=2.0)
