import math

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import dcl, dcl_per_anchor, dclw, nt_xent_per_anchor, positive_weights


def pair(n: int, d: int = 8, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return z1, z1 + z2


def cosine(a: Tensor, b: Tensor) -> float:
    dot = sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return dot / math.sqrt(sum(x * x for x in a.tolist()) * sum(y * y for y in b.tolist()))


def slow(z1: Tensor, z2: Tensor, temperature: float, sigma: float | None) -> list[float]:
    """The formula, one scalar at a time: the loss of each of the 2N anchors."""
    n, z = len(z1), torch.cat([z1, z2])
    scores = [cosine(a, b) for a, b in zip(z1, z2, strict=True)]
    weights = [1.0] * n
    if sigma is not None:
        mean = sum(math.exp(s / sigma) for s in scores) / n
        weights = [2 - math.exp(s / sigma) / mean for s in scores]
    losses = []
    for i in range(2 * n):
        negatives = [j for j in range(2 * n) if j % n != i % n]
        total = sum(math.exp(cosine(z[i], z[j]) / temperature) for j in negatives)
        losses.append(-weights[i % n] * scores[i % n] / temperature + math.log(total))
    return losses


# --- values and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", oracle.case_names("objectives", "dcl.") + oracle.case_names("objectives", "dclw.")
)
def test_equals_published_code_in_value_and_gradient(name: str) -> None:
    case = oracle.case("objectives", name)
    z1, z2 = (case.inputs[k].requires_grad_() for k in ("z1", "z2"))
    directions = 2 if "raminnakhli" in name else 1  # that code sums directions, the mean is ours
    temperature = case.params["temperature"]
    if name.startswith("dclw."):
        loss = dclw(
            z1,
            z2,
            temperature=temperature,
            sigma=case.params["sigma"],
            weight_gradient=case.params["weight_grad"],
        )
    else:
        loss = dcl(z1, z2, temperature=temperature)
    (directions * loss).backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(directions * loss.detach(), case.outputs["loss"], **close)
    torch.testing.assert_close(z1.grad, case.outputs["grad_z1"], **close)
    torch.testing.assert_close(z2.grad, case.outputs["grad_z2"], **close)


@pytest.mark.parametrize("sigma", [None, 0.2, 0.5])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_equals_the_double_loop(n: int, sigma: float | None) -> None:
    z1, z2 = pair(n, seed=n)
    expected = torch.tensor(slow(z1, z2, 0.3, sigma), dtype=torch.float64)
    found = dcl_per_anchor(z1, z2, z1, z2, temperature=0.3, offset=0, sigma=sigma)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    mean = (
        dcl(z1, z2, temperature=0.3)
        if sigma is None
        else dclw(z1, z2, temperature=0.3, sigma=sigma)
    )
    torch.testing.assert_close(mean, expected.mean(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [None, 0.5])
@pytest.mark.parametrize(("rows", "offset"), [(2, 0), (2, 2), (3, 3), (1, 5)])
def test_local_anchors_are_rows_of_the_whole(rows: int, offset: int, sigma: float | None) -> None:
    z1, z2 = pair(6)
    whole = dcl_per_anchor(z1, z2, z1, z2, temperature=0.2, offset=0, sigma=sigma)
    mine = slice(offset, offset + rows)
    part = dcl_per_anchor(z1[mine], z2[mine], z1, z2, temperature=0.2, offset=offset, sigma=sigma)
    expected = whole.unflatten(0, (2, 6))[:, mine]
    torch.testing.assert_close(part.unflatten(0, (2, rows)), expected, rtol=1e-12, atol=0)


# --- what the formula promises --------------------------------------------------------------------


def test_nt_xent_is_above_by_what_the_positive_adds() -> None:
    z1, z2 = pair(7)
    options = {"temperature": 0.3, "offset": 0}
    decoupled = dcl_per_anchor(z1, z2, z1, z2, **options)
    gap = nt_xent_per_anchor(z1, z2, z1, z2, **options) - decoupled
    scores = torch.cosine_similarity(z1, z2).repeat(2) / 0.3
    negatives = decoupled + scores  # the log of their sum
    assert gap.min() >= 0
    torch.testing.assert_close(gap, torch.log1p(torch.exp(scores - negatives)))


def test_symmetric_in_the_views_and_in_the_images() -> None:
    z1, z2 = pair(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    for loss in (
        lambda a, b: dcl(a, b, temperature=0.2),
        lambda a, b: dclw(a, b, temperature=0.2, sigma=0.5),
    ):
        for a, b in ((z2, z1), (z1[order], z2[order]), (5 * z1, 0.1 * z2)):
            torch.testing.assert_close(loss(a, b), loss(z1, z2), rtol=1e-12, atol=0)


def test_the_loss_can_be_negative() -> None:
    z = torch.eye(2, dtype=torch.float64)  # positives at 1, negatives at 0
    assert dcl(z, z, temperature=0.1).item() == pytest.approx(-10 + math.log(2))


@pytest.mark.parametrize("n", [2, 16, 100])
def test_equal_embeddings(n: int) -> None:
    equal = torch.ones(n, 4, dtype=torch.float64)
    assert dcl(equal, 3 * equal, temperature=0.07).item() == pytest.approx(math.log(2 * n - 2))


def test_weights() -> None:
    scores = torch.tensor([0.9, 0.1, -0.5, 0.4], dtype=torch.float64)
    weights = positive_weights(scores, sigma=0.5)
    assert weights.mean().item() == pytest.approx(1, abs=1e-14)
    assert weights.argsort().tolist() == scores.argsort(descending=True).tolist()
    ones = torch.ones(4, dtype=torch.float64)
    torch.testing.assert_close(positive_weights(0.3 * ones, sigma=0.1), ones)
    torch.testing.assert_close(positive_weights(scores, sigma=1e12), ones)
    assert positive_weights(scores, sigma=1e-3).min() >= 2 - 4


def test_large_sigma_is_dcl() -> None:
    z1, z2 = pair(7)
    weighted = dclw(z1, z2, temperature=0.2, sigma=1e9)
    torch.testing.assert_close(weighted, dcl(z1, z2, temperature=0.2), rtol=1e-8, atol=0)


def test_weights_change_gradient_only_when_asked() -> None:
    z1, z2 = pair(5)
    z1.requires_grad_()
    kept, cut = (
        torch.autograd.grad(dclw(z1, z2, temperature=0.2, sigma=0.5, weight_gradient=gradient), z1)[
            0
        ]
        for gradient in (True, False)
    )
    assert (kept - cut).abs().max() > 1e-3


# --- errors ---------------------------------------------------------------------------------------


def test_one_image_has_no_negative() -> None:
    z = torch.ones(1, 4)
    with pytest.raises(ValueError, match="needs at least 2 images, got 1"):
        dcl(z, z, temperature=0.1)


@pytest.mark.parametrize("value", [0, -0.5, math.inf, math.nan])
def test_temperatures_are_checked(value: float) -> None:
    z1, z2 = pair(4)
    with pytest.raises(ValueError, match=f"sigma .* got {value}"):
        dclw(z1, z2, temperature=0.1, sigma=value)
    with pytest.raises(ValueError, match=f"temperature .* got {value}"):
        dcl(z1, z2, temperature=value)


def test_blocks_are_checked() -> None:
    z1, z2 = pair(4)
    with pytest.raises(ValueError, match=r"offset .* got 3"):
        dcl_per_anchor(z1[:2], z2[:2], z1, z2, temperature=0.1, offset=3)
