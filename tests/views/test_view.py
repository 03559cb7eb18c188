import pytest
import torch

from sslkit.views import (
    ColorJitter,
    GaussianBlur,
    HorizontalFlip,
    Operation,
    Posterize,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    View,
)


class Darken(Operation):
    """A user's own operation: one class is all it takes."""

    def draw(self, n, generator=None):
        return {"factor": torch.rand(n, generator=generator)}

    def apply(self, images, params):
        return images * params["factor"][:, None, None, None]


def test_operations_apply_in_order_and_the_last_size_counts():
    view = View([RandomResizedCrop(size=16), Darken(), RandomResizedCrop(size=8)])
    images = torch.randint(0, 256, (5, 3, 20, 20), dtype=torch.uint8)
    params = view.draw(5, torch.Generator().manual_seed(0))
    expected = images
    for operation, draw in zip(view.operations, params, strict=True):
        expected = operation.apply(expected, draw)
    assert view.size == 8
    assert torch.equal(view.apply(images, params), expected)
    assert expected.shape == (5, 3, 8, 8)


class Kept(Operation):
    """Holds on to what it returned, which no later step may overwrite while it can be anyone's."""

    def __init__(self, whole_numbers: bool) -> None:
        self.whole_numbers = whole_numbers

    def draw(self, n, generator=None):
        return {}

    def apply(self, images, params):
        self.out = images if self.whole_numbers else images.float()[:, :, ::2]
        return self.out


@pytest.mark.parametrize("whole_numbers", [True, False])
def test_a_view_overwrites_only_what_is_surely_its_own(whole_numbers):
    kept = Kept(whole_numbers)
    view = View([kept, ColorJitter(probability=1), HorizontalFlip(), RandomResizedCrop(size=8)])
    images = torch.randint(0, 256, (5, 3, 20, 20), dtype=torch.uint8)
    images = images if whole_numbers else images / 255
    before = images.clone()
    view.apply(images, view.draw(5))
    assert torch.equal(images, before)
    assert torch.equal(kept.out, before if whole_numbers else before[:, :, ::2])


@pytest.mark.parametrize(
    "operation",
    [
        ColorJitter(probability=0.6),
        ColorJitter(probability=0.6, colour="fast"),
        RandomGrayscale(probability=0.6),
        GaussianBlur(probability=0.6),
        Solarize(probability=0.6),
        Posterize(probability=0.6),
        HorizontalFlip(),
    ],
)
def test_every_operation_leaves_its_images_alone_unless_told_that_it_may_not(operation):
    images = torch.randint(0, 256, (9, 3, 10, 12), dtype=torch.uint8)
    params = operation.draw(9, torch.Generator().manual_seed(1))
    before, floats = images.clone(), images / 255
    made = operation.apply(images, params)
    assert made.dtype == torch.float32
    assert torch.equal(images, before)
    last = images.contiguous(memory_format=torch.channels_last)
    for given in (floats, floats.contiguous(memory_format=torch.channels_last), last):
        again = given.clone()
        torch.testing.assert_close(operation.apply(given, params), made, rtol=0, atol=1e-6)
        assert torch.equal(given, again)
    torch.testing.assert_close(operation.apply_(floats, params), made, rtol=0, atol=1e-6)
    assert (made != before / 255).any(dim=(1, 2, 3)).sum() == params["apply"].sum()


def test_what_was_drawn_is_told_in_words():
    view = View(
        [
            RandomResizedCrop(size=8, scale=(0.2, 0.4), flip=1.0),
            ColorJitter(saturation=0, probability=1),
            RandomGrayscale(probability=0),
            GaussianBlur(probability=1),
            Darken(),
        ]
    )
    params = view.draw(3, torch.Generator().manual_seed(0))
    crop, colours, blur, own = view.describe(params, 1, 20, 30)
    boxes = view.operations[0].boxes(params[0], 20, 30)
    top, left, height, width = (int(x[1]) for x in boxes)
    assert crop == f"{width}x{height} at ({left}, {top}), mirrored"
    order = [["brightness", "contrast", "saturation", "hue"][i] for i in params[1]["order"][1]]
    assert [part.split()[0] for part in colours.split(", ")] == [o for o in order if o[0] != "s"]
    assert f"contrast x{params[1]['contrast'][1]:.2f}" in colours
    assert blur == f"blur {params[3]['sigma'][1]:.2f} px"
    assert own == f"Darken factor {params[4]['factor'][1]:.3g}"


def test_a_view_without_a_size_is_refused():
    with pytest.raises(ValueError, match=r"fixes the size .* got HorizontalFlip, ColorJitter"):
        View([HorizontalFlip(), ColorJitter()])
    with pytest.raises(ValueError, match="got none"):
        View([])


def test_the_size_must_come_from_a_complete_operation():
    with pytest.raises(TypeError, match="abstract"):
        Operation()  # pyright: ignore[reportAbstractUsage]
