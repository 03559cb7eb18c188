import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import normalized_mse, self_labelled_bce, self_labelled_mse
from sslkit.objectives import (
    BYOLObjective,
    Objective,
    Routes,
    SelfLabelledBCE,
    SelfLabelledMSE,
    TriBYOLObjective,
)

TWO_VIEWS = [BYOLObjective(), SelfLabelledMSE(), SelfLabelledBCE()]


def pair(online: int = 2, target: int = 2, n: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, n, 3, generator=generator)
    noise = torch.randn(online + target, n, 3, generator=generator)
    views = image + noise / 2
    return views[:online].clone().requires_grad_(), views[online:].clone().requires_grad_()


def test_byol_sums_both_directions() -> None:
    online, target = pair()
    result = BYOLObjective()(online, target, None)
    one, two = normalized_mse(online[0], target[1]), normalized_mse(online[1], target[0])
    torch.testing.assert_close(result["loss"], one + two)
    assert BYOLObjective()(online, 3 * online.flip(0), None)["loss"].item() == pytest.approx(
        0, abs=1e-6
    )
    assert BYOLObjective()(online, -online.flip(0), None)["loss"].item() == pytest.approx(8)


def test_byol_of_more_views_is_twice_the_mean_over_pairs_with_another_views_target() -> None:
    online, target = pair(online=4)
    losses = [normalized_mse(online[p], target[z]) for p in range(4) for z in range(2) if p != z]
    loss = BYOLObjective(views=4)(online, target, None)["loss"]
    torch.testing.assert_close(loss, 2 * torch.stack(losses).mean())
    assert BYOLObjective(views=4).routes == Routes(online=(0, 1, 2, 3), target=(0, 1))
    with pytest.raises(ValueError, match="views of at least 2, got 1"):
        BYOLObjective(views=1)


@pytest.mark.parametrize("name", oracle.case_names("objectives", "byol."))
def test_byol_equals_published_directions(name: str) -> None:
    case = oracle.case("objectives", name)
    online = torch.stack([case.inputs["p"]] * 2).requires_grad_()
    loss = BYOLObjective()(online, torch.stack([case.inputs["z"]] * 2), None)["loss"]
    loss.backward()
    torch.testing.assert_close(loss.detach(), 2 * case.outputs["loss"])
    assert online.grad is not None
    torch.testing.assert_close(online.grad[0], case.outputs["grad_p"], rtol=1e-10, atol=1e-12)


def test_tribyol_equals_its_public_reimplementations() -> None:
    case = oracle.case("objectives", "tribyol.n16d8")
    online = torch.stack([case.inputs[f"z{i}"] for i in (1, 2, 3)]).requires_grad_()
    target = torch.stack([case.outputs[k] for k in ("t1_x1", "t1_x2", "t2_x1", "t2_x3")])
    loss = TriBYOLObjective()(online, target, None)["loss"]
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    assert online.grad is not None
    for i, gradient in enumerate(online.grad, 1):
        torch.testing.assert_close(gradient, case.outputs[f"grad_z{i}"], rtol=1e-10, atol=1e-12)


def test_tribyol_of_equal_views_and_targets_is_byol() -> None:
    online, target = pair()
    three = torch.stack([online[0], online[1], online[1]])
    four = torch.stack([target[0], target[1], target[0], target[1]])
    torch.testing.assert_close(
        TriBYOLObjective()(three, four, None)["loss"],
        BYOLObjective()(online, target, None)["loss"],
    )


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        (
            SelfLabelledMSE(theta_positive=0.7, theta_negative=0.1, negative_weight=0.5),
            lambda p, z: self_labelled_mse(
                p, z, theta_positive=0.7, theta_negative=0.1, negative_weight=0.5
            ),
        ),
        (
            SelfLabelledBCE(temperature=0.3, theta_positive=0.9, theta_negative=0.3),
            lambda p, z: self_labelled_bce(
                p, z, temperature=0.3, theta_positive=0.9, theta_negative=0.3
            ),
        ),
    ],
)
def test_self_labelled_sum_both_directions(objective: Objective, loss) -> None:
    online, target = pair()
    expected = loss(online[0], target[1]) + loss(online[1], target[0])
    result = objective(online, target, None)
    torch.testing.assert_close(result["per_anchor"], expected.detach())
    torch.testing.assert_close(result["loss"], expected.mean())
    assert "[reconstruction]" in (type(objective).__doc__ or "")


def test_ccsl_without_alike_pairs_is_byol() -> None:
    online, target = pair()
    torch.testing.assert_close(
        SelfLabelledMSE(theta_positive=1.1)(online, target, None)["loss"],
        BYOLObjective()(online, target, None)["loss"],
    )


@pytest.mark.parametrize("objective", [*TWO_VIEWS, TriBYOLObjective()], ids=repr)
def test_only_predictions_get_gradient(objective: Objective) -> None:
    routes = objective.routes
    online, target = pair(len(routes.online), len(routes.target) + len(routes.second_target))
    result = objective(online, target, None)
    of_online, of_target = torch.autograd.grad(result["loss"], (online, target), allow_unused=True)
    assert all(gradient.abs().max() > 0 for gradient in of_online) and of_target is None
    assert result["per_anchor"].shape == (8,)
    torch.testing.assert_close(result["per_anchor"].mean(), result["loss"].detach())
    assert not result["per_anchor"].requires_grad
    half = objective(online.bfloat16(), target.bfloat16(), None)["loss"]
    assert half.dtype == torch.float32
    with pytest.raises(ValueError, match="online must hold"):
        objective(online[:1], target, None)
    with pytest.raises(ValueError, match="target must hold"):
        objective(online, target[:1], None)


def test_routes() -> None:
    for objective in TWO_VIEWS:
        assert objective.routes == Routes(online=(0, 1), target=(0, 1))
    routes = TriBYOLObjective().routes
    assert (routes.online, routes.target, routes.second_target) == ((0, 1, 2), (0, 1), (0, 2))


def test_arguments_are_checked_when_they_are_set() -> None:
    with pytest.raises(ValueError, match=r"theta_positive .* got 0.1 and 0.2"):
        SelfLabelledMSE(theta_positive=0.1)
    with pytest.raises(ValueError, match=r"negative_weight .* got -1"):
        SelfLabelledMSE(negative_weight=-1)
    with pytest.raises(ValueError, match=r"temperature .* got 0"):
        SelfLabelledBCE(temperature=0)
    with pytest.raises(ValueError, match=r"theta_positive .* got 0.2 and 0.2"):
        SelfLabelledBCE(theta_positive=0.2)
    assert "negative_weight=0.5" in repr(SelfLabelledMSE(negative_weight=0.5))
    assert "temperature=0.1" in repr(SelfLabelledBCE())
