import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import barlow_twins, whiten
from sslkit.functional.redundancy import redundancy


def pair(n: int = 20, d: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return a, a + b


def biased_whiten(x: Tensor) -> Tensor:
    """Dimensions of variance 1 as batch normalisation counts it, and no correlation."""
    return whiten(x) * (len(x) / (len(x) - 1)) ** 0.5


@pytest.mark.parametrize("name", oracle.case_names("objectives", "barlow."))
def test_equals_published_code_in_value_and_gradient(name: str) -> None:
    case = oracle.case("objectives", name)
    z1, z2 = (case.inputs[k].requires_grad_() for k in ("z1", "z2"))
    loss = barlow_twins(z1, z2, off_diagonal_weight=case.params["lambd"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    torch.testing.assert_close(z1.grad, case.outputs["grad_z1"], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(z2.grad, case.outputs["grad_z2"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("n", "d"), [(7, 3), (3, 7), (2, 4)])
def test_equals_the_double_loop(n: int, d: int) -> None:
    z1, z2 = pair(n, d)

    def standardised(column: list[float]) -> list[float]:
        mean = sum(column) / len(column)
        variance = sum((x - mean) ** 2 for x in column) / len(column)
        return [(x - mean) / (variance + 1e-5) ** 0.5 for x in column]

    first, second = ([standardised(c.tolist()) for c in z.T] for z in (z1, z2))
    expected = 0.0
    for a in range(d):
        for b in range(d):
            c = sum(x * y for x, y in zip(first[a], second[b], strict=True)) / n
            expected += (1 - c) ** 2 if a == b else 0.01 * c**2
    loss = barlow_twins(z1, z2, off_diagonal_weight=0.01)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_invariances() -> None:
    z1, z2 = pair(200)
    reference = barlow_twins(z1, z2)
    scale = torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(barlow_twins(z2, z1), reference, rtol=1e-12, atol=0)
    torch.testing.assert_close(barlow_twins(z1[order], z2[order]), reference, rtol=1e-12, atol=0)
    # up to what is added to the variance
    torch.testing.assert_close(barlow_twins(scale * z1 + 5, z2), reference, rtol=1e-3, atol=0)
    assert not torch.isclose(barlow_twins(z1[order], z2), reference, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_small_batch_equals_the_correlation_matrix_in_value_and_gradient(
    dtype: torch.dtype,
) -> None:
    given = [z.to(dtype).requires_grad_() for z in pair(8, 64)]
    whole = [z.detach().clone().requires_grad_() for z in given]
    terms = redundancy(given[0], given[1])
    expected = redundancy(whole[0], whole[1], across=lambda mean: mean)
    torch.testing.assert_close(terms, expected)
    for found in (terms, expected):
        (found[0] + 0.1 * found[1]).backward()
    for few, all_ in zip(given, whole, strict=True):
        torch.testing.assert_close(few.grad, all_.grad)


def test_extremes() -> None:
    white = biased_whiten(pair(50)[0])
    assert barlow_twins(white, white).item() == pytest.approx(0, abs=1e-8)
    assert barlow_twins(white, -white).item() == pytest.approx(4 * 4, rel=1e-4)


def test_without_weight_the_diagonal_is_left() -> None:
    z1, z2 = pair()
    mixed = z2 @ torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    diagonal = sum(barlow_twins(z1[:, i : i + 1], mixed[:, i : i + 1]).item() for i in range(4))
    assert barlow_twins(z1, mixed, off_diagonal_weight=0).item() == pytest.approx(diagonal)


def test_a_constant_dimension_adds_one() -> None:
    z1, z2 = pair()
    constant = torch.full((20, 1), 3.0, dtype=torch.float64)
    loss = barlow_twins(torch.cat([z1, constant], 1), torch.cat([z2, constant], 1))
    torch.testing.assert_close(loss, barlow_twins(z1, z2) + 1)


def test_a_small_off_diagonal_keeps_its_digits() -> None:
    # 512 dimensions near the identity: the digits that a difference of two sums would lose.
    generator = torch.Generator().manual_seed(0)
    base = torch.linalg.qr(torch.randn(2048, 512, generator=generator))[0] * 45
    exact = barlow_twins(base.double(), base.double(), off_diagonal_weight=1)
    torch.testing.assert_close(
        barlow_twins(base, base, off_diagonal_weight=1).double(), exact, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("weight", [-0.1, float("nan")])
def test_the_weight_is_checked(weight: float) -> None:
    with pytest.raises(ValueError, match=f"off_diagonal_weight .* got {weight}"):
        barlow_twins(*pair(), off_diagonal_weight=weight)
