import pytest
import torch

from sslkit.functional import barlow_twins
from sslkit.objectives import BarlowTwins, Routes


@pytest.mark.parametrize("grad_scale", ["true", "official"])
def test_forward_gives_the_function_and_its_two_terms(grad_scale) -> None:
    online = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    objective = BarlowTwins(off_diagonal_weight=0.1, grad_scale=grad_scale)
    result = objective(online, online, None)
    expected = barlow_twins(*online, off_diagonal_weight=0.1)
    torch.testing.assert_close(result["loss"], expected)
    torch.testing.assert_close(
        torch.autograd.grad(result["loss"], online, retain_graph=True)[0],
        torch.autograd.grad(expected, online)[0],  # on one rank, both scales are the same
    )
    on, off = result["on_diagonal"], result["off_diagonal"]
    torch.testing.assert_close(on + 0.1 * off, result["loss"].detach())
    torch.testing.assert_close(on, barlow_twins(*online, off_diagonal_weight=0).detach())
    assert {name for name, value in result.items() if value.requires_grad} == {"loss"}
    assert objective.routes == Routes(online=(0, 1), target=())


def test_views_are_standardised_apart() -> None:
    online = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0))
    moved = torch.stack([online[0], 3 * online[1] + 5])
    torch.testing.assert_close(
        BarlowTwins()(moved, moved, None)["loss"],
        BarlowTwins()(online, online, None)["loss"],
        rtol=1e-4,
        atol=0,
    )


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r"off_diagonal_weight .* got -1"):
        BarlowTwins(off_diagonal_weight=-1)
    with pytest.raises(ValueError, match=r"grad_scale must be .* got 'half'"):
        BarlowTwins(grad_scale="half")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="online must hold two views"):
        BarlowTwins()(torch.ones(3, 8, 4), torch.ones(3, 8, 4), None)
    assert "grad_scale=official" in repr(BarlowTwins(grad_scale="official"))
