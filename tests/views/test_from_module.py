import kornia.augmentation as K
import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn

from sslkit.views import FromModule, HorizontalFlip, RandomResizedCrop, SimCLRViews, View, Views


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 6) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 20, 20), dtype=torch.uint8, generator=seeded(9))


def test_a_kornia_module_is_repeated_by_its_draws_and_leaves_the_generators_alone():
    operation = FromModule(K.RandomPerspective(p=1.0))
    images = batch()
    params, others = operation.draw(6, seeded(1)), operation.draw(6, seeded(2))
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = operation.apply(images, params)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert torch.equal(operation.apply(images, params), first)
    assert not torch.allclose(operation.apply(images, others), first)
    assert first.shape == (6, 3, 20, 20)
    assert not torch.allclose(first, images / 255)


def test_what_leaves_the_range_is_clamped():
    class Brighten(nn.Module):
        def forward(self, images):
            return images * 3 - 1

    operation = FromModule(Brighten())
    out = operation.apply(batch(), operation.draw(6))
    assert (out.min(), out.max()) == (0, 1)


def test_modules_come_before_and_after_a_recipes_own_steps():
    views = SimCLRViews(
        size=8, blur=False, before=[K.RandomAffine(degrees=20.0), HorizontalFlip()],
        after=[K.RandomErasing(p=1.0, scale=(0.1, 0.2))],
    )  # fmt: skip
    names = [type(operation).__name__ for operation in views.views[0].operations]
    assert names[:3] == ["FromModule", "HorizontalFlip", "RandomResizedCrop"]
    assert names[-1] == "FromModule"
    first, second = views(batch(), seeded(1))
    again = views(batch(), seeded(1))
    assert torch.equal(first, again[0])
    assert not torch.equal(first, second)
    assert first.shape == (6, 3, 8, 8)


def test_a_module_may_fix_the_size():
    view = View([FromModule(K.CenterCrop(12), size=12)])
    assert view.size == 12
    assert view.apply(batch(), view.draw(6)).shape == (6, 3, 12, 12)
    with pytest.raises(ValueError, match=r"fixes the size .* got CenterCrop"):
        View([K.CenterCrop(12)])


YAML = """
views:
  class_path: sslkit.views.SimCLRViews
  init_args:
    size: 8
    after:
      - class_path: kornia.augmentation.RandomPerspective
        init_args: {p: 1.0, distortion_scale: 0.2}
      - class_path: sslkit.views.Posterize
"""


def test_modules_are_written_in_yaml():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--views", type=nn.Module)
    views = parser.instantiate(parser.parse_string(YAML)).views
    assert isinstance(views, Views)
    assert isinstance(views.views[0].operations[0], RandomResizedCrop)
    assert [o.describe({"seed": torch.zeros(1), "apply": torch.ones(1)}, 0, 8, 8)
            for o in views.views[0].operations[-2:]] == [
        "RandomPerspective", "posterised to 4 bits"]  # fmt: skip
    assert views(batch())[1].shape == (6, 3, 8, 8)
