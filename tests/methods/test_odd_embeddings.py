"""What every method's objective makes of odd embeddings, through the engine's training step.

The embeddings are handed to the step in place of the networks' own, in the precision that autocast
would leave them in.
"""

import copy
import math
import warnings
from unittest import mock

import pytest
import torch
from tiny import METHODS, encoder

from sslkit.data import ViewBatch
from sslkit.methods import joint_embedding
from sslkit.negatives import Progress

IMAGES = 16
TINY = encoder()  # never run here

every_method = pytest.mark.parametrize("name", METHODS)


def build(name, **changes):
    torch.manual_seed(0)
    return METHODS[name](encoder=copy.deepcopy(TINY), **changes)


def embeddings(method, n=IMAGES):
    """Online (Vo,n,D) and target (Vt,n,D) in float64, alike for an image."""
    routes, dim = method.objective.routes, method.projector.layers
    dim = [layer for layer in dim if isinstance(layer, torch.nn.Linear)][-1].out_features
    views = len(routes.online), len(routes.target) + len(routes.second_target)
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, n, dim, generator=generator, dtype=torch.float64)
    noise = torch.randn(sum(views), n, dim, generator=generator, dtype=torch.float64)
    return (image + noise / 2).clamp(-3, 3).split(views)


def step(method, online, target):
    """The loss of a training step, and its gradients."""
    online, target = online.clone().requires_grad_(), target.clone().requires_grad_()
    features = torch.zeros(1, online.shape[1], 1)
    method.embed = lambda views: (features, online, target)
    method._progress = Progress
    label = torch.arange(online.shape[1])
    needed = 1 + max(v for part in vars(method.objective.routes).values() for v in part)
    views = [torch.zeros(online.shape[1], 3, 16, 16)] * needed
    with mock.patch.object(joint_embedding, "log_step"):
        loss = method.training_step(ViewBatch(views, label, label), 0)["loss"]
    assert loss.ndim == 0
    return loss.detach(), torch.autograd.grad(loss, (online, target), allow_unused=True)


def exact_step(method, online, target):
    """The same of the same numbers in float64."""
    twin = copy.copy(method)
    twin._modules = method._modules | {"objective": copy.deepcopy(method.objective).double()}
    return step(twin, online.double(), target.double())


def check(method, online, target):
    """Loss and gradient are finite and have the digits that the inputs have."""
    exact, (exact_gradient, _) = exact_step(method, online, target)
    loss, (gradient, of_target) = step(method, online, target)
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert gradient.dtype == online.dtype and gradient.isfinite().all()
    assert of_target is None
    torch.testing.assert_close(loss.double(), exact, rtol=5e-5, atol=1e-6)
    size = exact_gradient.abs().max().item()
    assert size > 0
    digits = {torch.float32: 1e-3, torch.float16: 2e-3, torch.bfloat16: 1e-2}[online.dtype]
    # Of large embeddings the gradient is small; what float16 cannot tell from 0 is lost without a
    # loss scale, as it is everywhere.
    least = 2.0**-24 if online.dtype == torch.float16 else 0.0
    torch.testing.assert_close(
        gradient.double(), exact_gradient, rtol=digits, atol=digits * size + least
    )


@every_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-4])
def test_precision_and_size_of_the_embeddings(name, scale, dtype):
    method = build(name)
    check(method, *((scale * x).to(dtype) for x in embeddings(method)))


@every_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_embeddings_equal(name, dtype):
    method = build(name)
    online, target = (torch.full_like(x, 0.3).to(dtype) for x in embeddings(method))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # whitening names the collapse
        loss, (gradient, of_target) = step(method, online, target)
    assert loss.isfinite() and gradient.isfinite().all() and of_target is None
    expected = {
        **dict.fromkeys(("SimCLR", "DebiasedSimCLR", "HCL"), math.log(2 * IMAGES - 1)),
        **dict.fromkeys(("DCL", "DCLW"), math.log(2 * IMAGES - 2)),
        **dict.fromkeys(("BYOL", "BYOL without batch statistics", "TriBYOL", "CCSL"), 0.0),
        "MoCoV3": 2 * 2 * math.log(IMAGES),  # temperature 1, both directions
        "NNCLR": math.log(IMAGES),
        "NNCLR decoupled": math.log(IMAGES - 1),
        "BarlowTwins": 8.0,
    }
    if name in expected:
        assert loss.item() == pytest.approx(expected[name], abs=1e-5)


@every_method
def test_a_constant_dimension(name):
    method = build(name)
    online, target = (x.float().index_fill(2, torch.tensor(1), 0.5) for x in embeddings(method))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        loss, (gradient, _) = step(method, online, target)
    assert loss.isfinite() and gradient.isfinite().all() and gradient.abs().max() > 0


@every_method
def test_two_images(name):
    # Whitening needs more images than dimensions.
    method = build(name, **({"output_dim": 1, "slice_size": 2} if name == "WMSE" else {}))
    online, target = (x.float() for x in embeddings(method, 2))
    exact, _ = exact_step(method, online, target)
    loss, (gradient, _) = step(method, online, target)
    assert loss.isfinite() and gradient.isfinite().all()
    torch.testing.assert_close(loss.double(), exact, rtol=5e-5, atol=1e-6)


REFUSES_ONE = {"DCL", "DCLW", "NNCLR decoupled", "WMSE"}
NOTHING_TO_TELL_APART = {"SimCLR", "DebiasedSimCLR", "HCL", "MoCoV3", "NNCLR"}


@every_method
def test_one_image(name):
    # The engine refuses it for every method; the objective, where it has no value.
    method = build(name)
    online, target = (x.float() for x in embeddings(method, 1))
    with pytest.raises(ValueError, match=r"batch of 1 image.*batch_size of at least 2"):
        step(method, online, target)
    online.requires_grad_()
    if name in REFUSES_ONE:
        with pytest.raises(ValueError, match=r"got 1\b|a batch of 1\b"):
            method.objective(online, target, None)
        return
    loss = method.objective(online, target, None)["loss"]
    gradient = torch.autograd.grad(loss, online)[0]
    assert loss.isfinite() and gradient.isfinite().all()
    if name in NOTHING_TO_TELL_APART:
        assert loss.item() == 0 and gradient.abs().max() == 0
    elif name == "BarlowTwins":  # nothing varies
        assert loss.item() == 8 and gradient.abs().max() == 0
    else:
        assert loss.item() != 0 and gradient.abs().max() > 0


@every_method
def test_targets_come_without_gradient(name):
    # With it a projection would learn from where it is only looked at (NNCLR's lookup).
    method = build(name)
    _, online, target = method.embed(list(torch.rand(3, 4, 3, 16, 16)))
    assert online.requires_grad
    assert target.numel() == 0 or not target.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_objectives_get_wide_embeddings_outside_autocast(dtype):
    # A user's own objective need not widen anything.
    method, seen = build("BYOL"), []
    forward = method.objective.forward

    def watched(online, target, batch):
        seen.append((online.dtype, target.dtype, torch.is_autocast_enabled("cpu")))
        return forward(online, target, batch)

    method.objective.forward = watched
    online, target = (x.to(dtype) for x in embeddings(method))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step(method, online, target)
    wide = torch.promote_types(dtype, torch.float32)
    assert seen == [(wide, wide, False)]
