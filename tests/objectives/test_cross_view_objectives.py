import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    cross_view_nce,
    nearest_neighbour_nce,
    nearest_rows,
    unit_rows,
)
from sslkit.objectives import MoCoV3Objective, NNCLRObjective, Routes


def pair(n: int = 6) -> tuple[Tensor, Tensor]:
    a, b = torch.randn(2, 2, n, 5, generator=torch.Generator().manual_seed(0))
    return a.requires_grad_(), (a + b).detach().requires_grad_()


def test_moco_v3_sums_both_directions_times_two_temperatures() -> None:
    online, target = pair()
    result = MoCoV3Objective(temperature=0.3)(online, target, None)
    one = cross_view_nce(online[0], target[1], temperature=0.3)
    two = cross_view_nce(online[1], target[0], temperature=0.3)
    torch.testing.assert_close(result["loss"], 0.6 * (one + two))
    assert result["per_anchor"].shape == (6,)
    torch.testing.assert_close(result["per_anchor"].mean(), result["loss"].detach())
    cosine = torch.cosine_similarity(online, target.flip(0), dim=2).mean().detach()
    torch.testing.assert_close(result["positive_similarity"], cosine)
    assert {name for name, value in result.items() if value.requires_grad} == {"loss"}
    found = torch.autograd.grad(result["loss"], (online, target), allow_unused=True)
    assert found[0].abs().max() > 0 and found[1] is None


@pytest.mark.parametrize("name", oracle.case_names("objectives", "mocov3."))
def test_moco_v3_equals_the_authors_direction_twice(name: str) -> None:
    case = oracle.case("objectives", name)
    online = torch.stack([case.inputs["q"]] * 2).requires_grad_()
    target = torch.stack([case.inputs["k"]] * 2)
    result = MoCoV3Objective(temperature=case.params["temperature"])(online, target, None)
    result["loss"].backward()
    torch.testing.assert_close(result["loss"].detach(), 2 * case.outputs["loss"])
    assert online.grad is not None
    for gradient in online.grad:
        torch.testing.assert_close(gradient, case.outputs["grad_q"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
def test_nnclr_looks_up_one_view_and_compares_with_the_other(decoupled: bool) -> None:
    objective = NNCLRObjective(dim=5, queue_size=20, temperature=0.3, decoupled=decoupled)
    online, target = pair()
    rows = objective.queue.snapshot()
    near1, near2 = (rows[nearest_rows(z, rows)] for z in target)
    losses = [
        nearest_neighbour_nce(near, p, temperature=0.3, decoupled=decoupled)
        for near, p in ((near1, online[1]), (near2, online[0]))
    ]
    result = objective(online, target, None)
    torch.testing.assert_close(result["loss"], (losses[0] + losses[1]) / 2)
    assert result["per_anchor"].shape == (12,)
    torch.testing.assert_close(result["per_anchor"][:6].mean(), losses[0].detach())
    near = torch.stack([near1, near2])
    cosine = torch.cosine_similarity
    torch.testing.assert_close(
        result["neighbour_similarity"], cosine(target.detach(), near, dim=2).mean()
    )
    torch.testing.assert_close(
        result["positive_similarity"], cosine(near, online.detach().flip(0), dim=2).mean()
    )
    assert {name for name, value in result.items() if value.requires_grad} == {"loss"}
    # Only the first views' projections enter the queue.
    torch.testing.assert_close(objective.queue.rows[:6], unit_rows(target[0].detach()))
    assert objective.queue.filled == 6


def test_nnclr_equals_public_code() -> None:
    case = oracle.case("objectives", "nnclr.solo.n16d8.t0.1")
    objective = NNCLRObjective(dim=8, queue_size=64, temperature=0.1).double()
    objective.queue.rows.copy_(case.inputs["queue"])
    online = torch.stack([case.inputs["p"]] * 2).requires_grad_()
    result = objective(online, torch.stack([case.inputs["z"]] * 2), None)
    result["loss"].backward()
    torch.testing.assert_close(result["loss"].detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    assert online.grad is not None
    for gradient in online.grad:  # the mean of two equal directions
        torch.testing.assert_close(2 * gradient, case.outputs["grad_p"], rtol=1e-10, atol=1e-12)


def test_nnclr_with_the_embedding_in_its_queue_is_cross_view_contrast() -> None:
    online, target = pair()
    objective = NNCLRObjective(dim=5, queue_size=12, temperature=0.3).eval()
    objective.queue.rows.copy_(unit_rows(target.detach().flatten(0, 1)))
    result = objective(online, target, None)
    torch.testing.assert_close(result["neighbour_similarity"].item(), 1.0)
    one, two = (
        nearest_neighbour_nce(z, p, temperature=0.3)
        for z, p in zip(target, online.flip(0), strict=True)
    )
    torch.testing.assert_close(result["loss"], (one + two) / 2)


def test_small_batches() -> None:
    online, target = pair(1)
    assert MoCoV3Objective()(online, target, None)["loss"].item() == 0
    assert NNCLRObjective(dim=5, queue_size=4)(online, target, None)["loss"].item() == 0
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        NNCLRObjective(dim=5, queue_size=4, decoupled=True)(online, target, None)


def test_routes_views_and_arguments() -> None:
    both = Routes(online=(0, 1), target=(0, 1))
    online, target = pair()
    for objective in (MoCoV3Objective(), NNCLRObjective(dim=5, queue_size=4)):
        assert objective.routes == both
        with pytest.raises(ValueError, match="online must hold two views"):
            objective(online[:1], target, None)
        with pytest.raises(ValueError, match="target must hold two views"):
            objective(online, target[:1], None)
    with pytest.raises(ValueError, match=r"temperature .* got 0"):
        MoCoV3Objective(temperature=0)
    assert "temperature=1.0" in repr(MoCoV3Objective())
    assert "decoupled=True" in repr(NNCLRObjective(dim=5, queue_size=4, decoupled=True))
