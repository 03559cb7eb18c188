import oracle
import pytest
import torch

from sslkit.functional import normalized_mse, normalized_mse_per_anchor


@pytest.mark.parametrize("name", oracle.case_names("objectives", "byol."))
def test_equals_published_code_in_value_and_gradient(name: str) -> None:
    case = oracle.case("objectives", name)
    p = case.inputs["p"].requires_grad_()
    loss = normalized_mse(p, case.inputs["z"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    torch.testing.assert_close(p.grad, case.outputs["grad_p"], rtol=1e-10, atol=1e-12)


def test_equals_the_squared_distance_of_unit_vectors() -> None:
    p, z = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)).double()
    for i in range(6):
        a = [x / p[i].norm().item() for x in p[i].tolist()]
        b = [x / z[i].norm().item() for x in z[i].tolist()]
        expected = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
        assert normalized_mse_per_anchor(p, z)[i].item() == pytest.approx(expected)
    assert normalized_mse(p, z).item() == pytest.approx(normalized_mse_per_anchor(p, z).mean())


def test_range_and_invariance() -> None:
    p, z = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)).double()
    scale = torch.linspace(0.1, 9, 6, dtype=torch.float64)[:, None]
    assert normalized_mse(p, scale * p).item() == pytest.approx(0, abs=1e-14)
    assert normalized_mse(p, -scale * p).item() == pytest.approx(4)
    torch.testing.assert_close(normalized_mse(scale * p, z), normalized_mse(p, z))
    torch.testing.assert_close(normalized_mse(p, scale * z), normalized_mse(p, z))


def test_the_target_gets_no_gradient() -> None:
    p, z = torch.randn(2, 6, 5, requires_grad=True).unbind()
    of_p, of_z = torch.autograd.grad(normalized_mse(p, z), (p, z), allow_unused=True)
    assert of_p.abs().max() > 0 and of_z is None


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="p and z must be matrices"):
        normalized_mse(torch.ones(4, 3), torch.ones(5, 3))
