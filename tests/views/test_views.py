import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from sslkit.views import BYOLViews, RandomResizedCrop, SimCLRViews, View, Views


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 6, channels: int = 3, side: int = 24) -> torch.Tensor:
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8, generator=seeded(9))


def pair(**arguments) -> Views:
    return Views(
        [View([RandomResizedCrop(size=8)]), View([RandomResizedCrop(size=6)])], **arguments
    )


def test_shapes_and_what_a_method_reads():
    views = pair()
    assert (views.num_views, views.sizes) == (2, (8, 6))
    first, second = views(batch())
    assert first.shape == (6, 3, 8, 8)
    assert second.shape == (6, 3, 6, 6)
    assert first.dtype == second.dtype == torch.float32
    assert not first.requires_grad


def test_the_same_generator_gives_the_same_views_and_another_does_not():
    views, images = SimCLRViews(size=8), batch()
    ours, again, other = (views(images, seeded(seed)) for seed in (1, 1, 2))
    for a, b, c in zip(ours, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.allclose(a, c)


def test_without_a_generator_torchs_global_one_is_used():
    views, images = SimCLRViews(size=8), batch()
    torch.manual_seed(5)
    first = views(images)
    torch.manual_seed(5)
    assert all(torch.equal(a, b) for a, b in zip(first, views(images), strict=True))
    state = torch.get_rng_state()
    views(images, seeded())
    assert torch.equal(torch.get_rng_state(), state)


def test_apply_draws_nothing_and_leaves_images_and_draws_alone():
    views, images = SimCLRViews(size=8, mean=[0.4] * 3, std=[0.2] * 3), batch()
    before = images.clone()
    params = views.draw(6, seeded())
    kept = [[{k: v.clone() for k, v in op.items()} for op in view] for view in params]
    state = torch.get_rng_state()
    first, second = views.apply(images, params), views.apply(images, params)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(images, before)
    for view, old_view in zip(params, kept, strict=True):
        for op, old_op in zip(view, old_view, strict=True):
            assert all(torch.equal(op[k], old_op[k]) for k in old_op)


def test_an_image_is_treated_the_same_whatever_else_is_in_the_batch():
    views, images = SimCLRViews(size=8), batch()
    params = views.draw(6, seeded())
    part = [[{k: v[2:4] for k, v in op.items()} for op in view] for view in params]
    for whole, some in zip(
        views.apply(images, params), views.apply(images[2:4], part), strict=True
    ):
        torch.testing.assert_close(whole[2:4], some)


def test_draws_are_independent_between_images_and_between_views():
    n = 4000
    first, second = SimCLRViews(size=8).draw(n, seeded())
    for of_one, of_other in zip(first, second, strict=True):
        for name, values in of_one.items():
            values, others = (
                values.float().view(n, -1)[:, 0],
                of_other[name].float().view(n, -1)[:, 0],
            )
            between_views = torch.corrcoef(torch.stack([values, others]))[0, 1]
            between_images = torch.corrcoef(torch.stack([values[:-1], values[1:]]))[0, 1]
            assert abs(between_views) < 0.06, name
            assert abs(between_images) < 0.06, name


def test_without_statistics_views_are_in_the_unit_interval():
    for view in SimCLRViews(size=8)(batch(64)):
        assert view.min() >= 0
        assert view.max() <= 1
        assert view.max() > 0.5


def test_statistics_normalise_and_the_constructors_win():
    images, params = batch(), pair().draw(6, seeded())
    plain = pair().apply(images, params)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
    handed, given = pair(), pair(mean=mean.tolist(), std=std.tolist())
    handed.set_statistics([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    handed.set_statistics(mean.tolist(), std.tolist())
    given.set_statistics([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    for views in (handed, given):
        for raw, view in zip(plain, views.apply(images, params), strict=True):
            expected = (raw - mean[:, None, None]) / std[:, None, None]
            torch.testing.assert_close(view, expected)


def test_nothing_goes_into_checkpoints_but_statistics_follow_the_module():
    views = pair(mean=[0.5], std=[0.5])
    assert views.state_dict() == {}
    assert list(views.parameters()) == []
    moved = views.to("meta")
    assert moved.mean is not None
    assert moved.mean.device.type == "meta"


def test_lightning_can_walk_through_a_model_that_owns_views():
    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.views = pair()

    seen = []
    model = Model().to("cpu")  # Lightning's `to` calls torch's `Module.apply` on every submodule
    model.apply(lambda module: seen.append(type(module)))
    assert seen == [Views, Model]


def test_autocast_does_not_reach_the_views():
    views, images = SimCLRViews(size=8), batch()
    params = views.draw(6, seeded())
    plain = views.apply(images, params)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = views.apply(images, params)
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))


def test_views_come_in_the_modules_dtype_and_are_rounded_once():
    views, images = SimCLRViews(size=8, mean=[0.4914] * 3, std=[0.247] * 3), batch()
    params = views.draw(6, seeded())
    plain = views.apply(images, params)
    half = views.to(torch.bfloat16).apply(images, params)
    assert views.dtype == torch.bfloat16
    assert all(torch.equal(a.to(torch.bfloat16), b) for a, b in zip(plain, half, strict=True))
    assert views.mean is not None
    assert torch.equal(views.mean, torch.tensor([0.4914] * 3))
    assert all(
        torch.equal(a, b) for a, b in zip(plain, views.float()(images, seeded()), strict=True)
    )


def test_a_views_pixels_are_what_they_were_before_normalisation():
    images, params = batch(), pair().draw(6, seeded())
    views = pair(mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])
    for raw, view in zip(pair().apply(images, params), views.apply(images, params), strict=True):
        torch.testing.assert_close(views.pixels(view), raw)
        torch.testing.assert_close(pair().pixels(raw), raw)


class Counted(TorchDispatchMode):
    """Counts the operations that reach torch; on meta tensors whatever looks at a value fails."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("colour", ["exact", "fast"])
def test_an_accelerator_is_never_waited_for_and_has_no_loop_over_images(colour):
    # A tensor on the meta device has no values: reading one back is an error, as is a shape that
    # depends on one. So what passes here can run ahead of any device.
    views = BYOLViews(size=8, colour=colour).views
    counts = []
    for n in (96, 192):
        images, params = batch(n).to("meta"), [view.draw(n, seeded()) for view in views]
        with Counted() as counted:
            made = [view.apply(images, draws) for view, draws in zip(views, params, strict=True)]
        assert [view.shape for view in made] == [(n, 3, 8, 8)] * 2
        assert {view.device.type for view in made} == {"meta"}
        counts.append(counted.count)
    assert counts[0] == counts[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_cpus_views():
    views, images = SimCLRViews(size=24, mean=[0.5] * 3, std=[0.25] * 3), batch(32, side=40)
    params = views.draw(32, seeded())
    for a, b in zip(views.apply(images.cuda(), params), views.apply(images, params), strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=0, atol=4 / 255)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.rand(2, 3, 8, 8), TypeError, "must be a uint8 tensor .* got torch.float32.*Convert"),
        ([1, 2], TypeError, "must be a uint8 tensor .* got list"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), ValueError, r"got shape \(3, 8, 8\)"),
    ],
)
def test_unfit_images_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        pair()(images)


def test_draws_of_another_batch_are_refused():
    views = pair()
    with pytest.raises(ValueError, match=r"drawn for 4 images .* the batch holds 6"):
        views.apply(batch(6), views.draw(4))
    with pytest.raises(ValueError, match="draws of 2 views, got 1"):
        views.apply(batch(6), views.draw(6)[:1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [0.5]}, r"mean and std go together, got mean=\[0.5\] and std=None"),
        ({"std": [0.5]}, "mean and std go together"),
        ({"mean": [0.5, 0.5], "std": [0.5]}, r"one number per channel each, got mean=\[0.5, 0.5\]"),
        ({"mean": [0.5], "std": [0.0]}, r"std must be above 0 in every channel, got \[0.0\]"),
        ({"mean": [], "std": []}, "one number per channel"),
    ],
)
def test_bad_statistics_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pair(**arguments)


def test_statistics_of_another_channel_count_are_refused():
    views = pair(mean=[0.5], std=[0.5])
    with pytest.raises(ValueError, match="mean and std have 1 channels, the images have 3"):
        views(batch())


def test_no_views_are_refused():
    with pytest.raises(ValueError, match="views must list at least one View"):
        Views([])


COMPOSED = """
views:
  class_path: sslkit.views.Views
  init_args:
    views:
      - class_path: sslkit.views.View
        init_args:
          operations:
            - class_path: sslkit.views.RandomResizedCrop
              init_args: {size: 8, scale: [0.3, 1], flip: 0.5}
            - class_path: sslkit.views.GaussianBlur
              init_args: {probability: 1, sigma: [0.5, 1.5]}
      - class_path: sslkit.views.View
        init_args:
          operations:
            - class_path: sslkit.views.RandomResizedCrop
              init_args: {size: 6, interpolation: bilinear}
            - class_path: sslkit.views.Solarize
    mean: [0.5, 0.5, 0.5]
    std: [0.25, 0.25, 0.25]
"""

NAMED = """
views:
  class_path: sslkit.views.SimCLRViews
  init_args: {size: 8, strength: 0.5, blur: false, crop_scale: [0.2, 1.0]}
"""


@pytest.mark.parametrize(("text", "sizes"), [(COMPOSED, (8, 6)), (NAMED, (8, 8))])
def test_views_are_written_in_yaml(text, sizes):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--views", type=nn.Module)
    views = parser.instantiate(parser.parse_string(text)).views
    assert isinstance(views, Views)
    assert views.sizes == sizes
    assert len(views(batch())) == 2
