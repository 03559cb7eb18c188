import pytest
import torch

from sslkit.views import ColorJitter, HorizontalFlip, Operation, RandomResizedCrop, View


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


def test_a_view_without_a_size_is_refused():
    with pytest.raises(ValueError, match=r"fixes the size .* got HorizontalFlip, ColorJitter"):
        View([HorizontalFlip(), ColorJitter()])
    with pytest.raises(ValueError, match="got none"):
        View([])


def test_the_size_must_come_from_a_complete_operation():
    with pytest.raises(TypeError, match="abstract"):
        Operation()  # pyright: ignore[reportAbstractUsage]
