import math

import pytest
import torch

from sslkit.functional import dcl, dclw, debiased_nce, mean_cosines
from sslkit.objectives import DCL, DebiasedNCE, Objective, Routes


def views(n: int = 7) -> torch.Tensor:
    z1, z2 = torch.randn(2, n, 5, generator=torch.Generator().manual_seed(0))
    return torch.stack([z1, z1 + z2]).requires_grad_()


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        (DCL(temperature=0.3), lambda a, b: dcl(a, b, temperature=0.3)),
        (
            DCL(temperature=0.3, sigma=0.2),
            lambda a, b: dclw(a, b, temperature=0.3, sigma=0.2),
        ),
        (
            DCL(temperature=0.3, sigma=0.2, weight_gradient=True),
            lambda a, b: dclw(a, b, temperature=0.3, sigma=0.2, weight_gradient=True),
        ),
        (
            DebiasedNCE(temperature=0.3, tau_plus=0.2, beta=0.5),
            lambda a, b: debiased_nce(a, b, temperature=0.3, tau_plus=0.2, beta=0.5),
        ),
    ],
)
def test_forward_gives_the_function_and_what_to_watch(objective: Objective, loss) -> None:
    online = views()
    result = objective(online, online, None)
    expected = loss(*online)
    torch.testing.assert_close(result["loss"], expected)
    torch.testing.assert_close(
        torch.autograd.grad(result["loss"], online, retain_graph=True)[0],
        torch.autograd.grad(expected, online)[0],
    )
    assert result["per_anchor"].shape == (14,)
    torch.testing.assert_close(result["per_anchor"].mean(), result["loss"].detach())
    similarities = mean_cosines(*online, *online, offset=0)
    torch.testing.assert_close(result["positive_similarity"], similarities[0].detach())
    torch.testing.assert_close(result["negative_similarity"], similarities[1].detach())
    assert {name for name, value in result.items() if value.requires_grad} == {"loss"}
    assert all(value.ndim == 0 for name, value in result.items() if name != "per_anchor")
    assert objective.routes == Routes(online=(0, 1), target=())
    with pytest.raises(ValueError, match=r"online must hold two views.*got shape \(3, 7, 5\)"):
        objective(torch.ones(3, 7, 5), online, None)


def test_the_clamped_fraction_is_logged() -> None:
    z = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    online = torch.stack([z, z + 0.1])
    warm, cold = (DebiasedNCE(temperature=t)(online, online, None) for t in (0.5, 0.1))
    assert warm["clamped_fraction"] == 0 and cold["clamped_fraction"] == 1
    mixed = DebiasedNCE(temperature=0.2)(views(50), online, None)["clamped_fraction"]
    assert 0 < mixed < 1 and (100 * mixed).item() == pytest.approx(round(100 * mixed.item()))


def test_arguments_are_checked_when_they_are_set() -> None:
    for build, message in (
        (lambda: DCL(temperature=0.0), r"temperature .* got 0.0"),
        (lambda: DCL(sigma=math.nan), r"sigma .* got nan"),
        (lambda: DCL(weight_gradient=True), "weight_gradient=True needs weights"),
        (lambda: DebiasedNCE(temperature=-1.0), r"temperature .* got -1.0"),
        (lambda: DebiasedNCE(tau_plus=1.0), r"tau_plus .* got 1.0"),
        (lambda: DebiasedNCE(beta=-0.5), r"beta .* got -0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_printed_modules_say_their_arguments() -> None:
    assert "  temperature=0.2\n" in repr(DCL(temperature=0.2))
    weighted = repr(DCL(sigma=0.5, weight_gradient=True))
    assert "  temperature=0.1, sigma=0.5, weight_gradient=True\n" in weighted
    assert "  temperature=0.5, tau_plus=0.1, beta=1.0\n" in repr(DebiasedNCE(beta=1.0))
