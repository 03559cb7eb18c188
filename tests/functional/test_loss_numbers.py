"""What every loss function owes its user: precision, extreme sizes, tiny and degenerate batches."""

import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    barlow_twins,
    cross_view_nce,
    dcl,
    dclw,
    debiased_nce,
    dual_view_nce_per_anchor,
    nearest_neighbour_nce,
    normalized_mse,
    nt_xent,
    queue_dcl_per_anchor,
    queue_nce,
    self_labelled_bce,
    self_labelled_mse,
    unit_rows,
    w_mse,
)

DIM = 4
QUEUE = unit_rows(torch.randn(9, DIM, generator=torch.Generator().manual_seed(7)).double())
Loss = Callable[[Tensor, Tensor], Tensor]


def whitened(a: Tensor, b: Tensor, **options: str) -> Tensor:
    orders = torch.stack([torch.arange(len(a)), torch.arange(len(a)).flip(0)])
    views = torch.stack([a, b])
    return w_mse(views, permutations=orders, slice_size=len(a), **options)  # pyright: ignore[reportArgumentType]


LOSSES: dict[str, Loss] = {
    "nt_xent": lambda a, b: nt_xent(a, b, temperature=0.2),
    "dcl": lambda a, b: dcl(a, b, temperature=0.2),
    "dclw": lambda a, b: dclw(a, b, temperature=0.2, sigma=0.5),
    "dclw with gradient": lambda a, b: dclw(a, b, temperature=0.2, sigma=0.5, weight_gradient=True),
    "debiased": lambda a, b: debiased_nce(a, b, temperature=0.5, tau_plus=0.1),
    "hcl": lambda a, b: debiased_nce(a, b, temperature=0.5, tau_plus=0.1, beta=1.0),
    "queue": lambda a, b: queue_nce(a, b, QUEUE, temperature=0.2),
    "queue dcl": lambda a, b: queue_dcl_per_anchor(a, b, QUEUE, temperature=0.2).mean(),
    "dual view": lambda a, b: dual_view_nce_per_anchor(
        a, b, QUEUE, temperature=0.2, hardest=3, key_weight=0.3
    ).mean(),
    "cross view": lambda a, b: cross_view_nce(a, b, temperature=0.2),
    "nearest neighbour": lambda a, b: nearest_neighbour_nce(b, a, temperature=0.2),
    "nearest neighbour dcl": lambda a, b: nearest_neighbour_nce(
        b, a, temperature=0.2, decoupled=True
    ),
    "mse": normalized_mse,
    "self-labelled mse": lambda a, b: self_labelled_mse(a, b, negative_weight=0.5).mean(),
    "self-labelled bce": lambda a, b: self_labelled_bce(a, b).mean(),
    "barlow twins": barlow_twins,
    "w-mse": whitened,
    "w-mse euclidean": lambda a, b: whitened(a, b, distance="euclidean"),
}
# Those that read the second argument as a target.
ONE_SIDED = {
    *("queue", "queue dcl", "dual view", "cross view", "nearest neighbour"),
    *("nearest neighbour dcl", "mse", "self-labelled mse", "self-labelled bce"),
}
ONE_IMAGE_IS_TOO_FEW = {"dcl", "dclw", "dclw with gradient", "nearest neighbour dcl"}
WHITENS = {"w-mse", "w-mse euclidean"}
all_losses = pytest.mark.parametrize("name", LOSSES)


def pair(n: int = 12, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = torch.randn(2, n, DIM, generator=generator, dtype=torch.float64)
    return z1, z1 + z2


def gradients(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(loss, inputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


# Not DCLW with detached weights, whose gradient is by intention not that of its value.
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"dclw"}))
def test_gradcheck(name: str) -> None:
    a, b = (z.requires_grad_(name not in ONE_SIDED) for z in pair(6))
    assert torch.autograd.gradcheck(LOSSES[name], (a.requires_grad_(), b))


@pytest.mark.parametrize("name", ["dcl", "dclw with gradient", "hcl", "nearest neighbour dcl"])
def test_masks_behind_autograds_back_spare_the_second_derivative(name: str) -> None:
    a, b = (z.requires_grad_(name not in ONE_SIDED) for z in pair(4))
    assert torch.autograd.gradgradcheck(LOSSES[name], (a.requires_grad_(), b))


@pytest.mark.parametrize("name", sorted(ONE_SIDED))
def test_targets_get_no_gradient(name: str) -> None:
    a, b = (z.requires_grad_() for z in pair())
    loss = LOSSES[name](a, b)
    of_a, of_b = gradients(loss, a, b)
    assert of_a.abs().max() > 1e-4
    assert of_b.abs().max() == 0


@pytest.mark.parametrize("name", sorted(set(LOSSES) - ONE_SIDED))
def test_both_views_get_gradient(name: str) -> None:
    a, b = (z.requires_grad_() for z in pair())
    for gradient in gradients(LOSSES[name](a, b), a, b):
        assert gradient.abs().max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@all_losses
def test_half_precision_inputs_are_widened(name: str, dtype: torch.dtype) -> None:
    a, b = (z.to(dtype).requires_grad_() for z in pair(32))
    loss = LOSSES[name](a, b)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss.double(), LOSSES[name](a.double(), b.double()), rtol=2e-5, atol=1e-6
    )
    gradient = gradients(loss, a)[0]
    assert gradient.dtype == dtype and gradient.isfinite().all()


@all_losses
def test_autocast_does_not_touch_the_loss(name: str) -> None:
    a, b = (z.float().requires_grad_() for z in pair(32))
    outside = LOSSES[name](a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = LOSSES[name](a, b)
    assert torch.equal(outside, inside)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e4, 1e-4])
@all_losses
def test_size_of_the_embeddings_does_not_cost_precision(
    name: str, scale: float, dtype: torch.dtype
) -> None:
    a, b = ((z.clamp(-3, 3) * scale).to(dtype).requires_grad_() for z in pair(32))
    loss = LOSSES[name](a, b)
    # Against the same rounded numbers, so that only the loss's own arithmetic is judged.
    exact = LOSSES[name](a.double(), b.double())
    torch.testing.assert_close(loss.double(), exact, rtol=2e-5, atol=1e-6)
    for gradient in gradients(loss, a, b):
        assert gradient.dtype == dtype and gradient.isfinite().all()


@all_losses
def test_one_image(name: str) -> None:
    a, b = (z.requires_grad_() for z in pair(1))
    if name in ONE_IMAGE_IS_TOO_FEW | WHITENS:
        with pytest.raises(ValueError, match="got 1"):
            LOSSES[name](a, b)
        return
    loss = LOSSES[name](a, b)
    of_a = gradients(loss, a)[0]
    assert loss.isfinite() and of_a.isfinite().all()
    if name in {"nt_xent", "debiased", "hcl", "cross view", "nearest neighbour"}:
        assert loss.item() == 0 and of_a.abs().max() == 0
    if name == "barlow twins":  # nothing varies
        assert loss.item() == DIM


@pytest.mark.parametrize("name", sorted(set(LOSSES) - WHITENS))
def test_two_images(name: str) -> None:
    a, b = (z.requires_grad_() for z in pair(2))
    loss = LOSSES[name](a, b)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients(loss, a, b))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@all_losses
def test_all_embeddings_equal(name: str, dtype: torch.dtype) -> None:
    n = 12
    a = torch.full((n, DIM), 0.3, dtype=dtype, requires_grad=True)
    b = (3 * a).detach().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # whitening says so, see test_whitening.py
        loss = LOSSES[name](a, b)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients(loss, a, b))
    expected = {
        "nt_xent": math.log(2 * n - 1),
        "dcl": math.log(2 * n - 2),
        "dclw": math.log(2 * n - 2),
        "cross view": math.log(n),
        "nearest neighbour": math.log(n),
        "nearest neighbour dcl": math.log(n - 1),
        "mse": 0.0,
        "self-labelled mse": 0.0,
        "barlow twins": float(DIM),
        "w-mse": 0.0,
        "w-mse euclidean": 0.0,
        # Every negative is as near as the positive: Ng = M e^(1/t), whatever the correction.
        "debiased": math.log(2 * n - 1),
        "hcl": math.log(2 * n - 1),
    }
    if name == "w-mse" and loss.item() > 1e-6:
        # Rounding is all that is left to be whitened, and its direction is anyone's.
        assert loss.item() <= 4
    elif name in expected:
        assert loss.item() == pytest.approx(expected[name], abs=2e-6)


@all_losses
def test_a_constant_dimension(name: str) -> None:
    a, b = (z.float().index_fill(1, torch.tensor(1), 0.5).requires_grad_() for z in pair())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        loss = LOSSES[name](a, b)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients(loss, a, b))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - WHITENS))
def test_shapes_are_checked(name: str) -> None:
    for b, message in ((torch.ones(8, 3), r"4 and 3|\(8, 3\)"), (torch.ones(8, 4, 1), "8, 4, 1")):
        with pytest.raises(ValueError, match=message):
            LOSSES[name](torch.ones(8, 4), b)


COLD: dict[str, Loss] = {
    "dcl": lambda a, b: dcl(a, b, temperature=1e-3),
    "dclw": lambda a, b: dclw(a, b, temperature=1e-3, sigma=1e-3),
    "debiased": lambda a, b: debiased_nce(a, b, temperature=1e-3, tau_plus=0.1),
    "hcl": lambda a, b: debiased_nce(a, b, temperature=1e-3, tau_plus=0.1, beta=2.0),
    "queue": lambda a, b: queue_nce(a, b, QUEUE, temperature=1e-3),
    "cross view": lambda a, b: cross_view_nce(a, b, temperature=1e-3),
    "self-labelled bce": lambda a, b: self_labelled_bce(a, b, temperature=1e-3).mean(),
}


@pytest.mark.parametrize("name", COLD)
def test_small_temperature_does_not_overflow(name: str) -> None:
    a, b = (z.float().requires_grad_() for z in pair(16))
    loss = COLD[name](a, b)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients(loss, a, b))
    torch.testing.assert_close(loss.double(), COLD[name](a.double(), b.double()), rtol=1e-4, atol=0)
