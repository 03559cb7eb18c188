import pytest
import torch
from torch import Tensor

from sslkit.functional import w_mse
from sslkit.objectives import WMSE, Routes


def views(count: int = 2, n: int = 16, d: int = 3) -> Tensor:
    return torch.randn(count, n, d, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("count", [2, 4])
def test_forward_gives_the_function(count: int, distance) -> None:
    objective = WMSE(slice_size=8, views=count, iterations=3, eps=0.1, distance=distance)
    online, drawn = views(count), objective.draw(16)
    result = objective(online, online, None)
    expected = w_mse(online, permutations=drawn, slice_size=8, eps=0.1, distance=distance)
    torch.testing.assert_close(result["loss"], expected)
    assert result["per_anchor"].shape == (16,) and not result["per_anchor"].requires_grad
    torch.testing.assert_close(result["per_anchor"].mean(), result["loss"].detach())
    assert objective.routes == Routes(online=tuple(range(count)), target=())
    gradient = torch.autograd.grad(result["loss"], online)[0]
    assert all(of_view.abs().max() > 0 for of_view in gradient)


def test_every_training_step_has_its_own_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    objective = WMSE(slice_size=8, iterations=2)
    first = objective.draw(16)
    assert [sorted(row) for row in first.tolist()] == [list(range(16))] * 2
    assert first[0].tolist() != first[1].tolist()
    assert torch.equal(objective.draw(16), first)  # until a step is done
    objective.eval()(views(), views(), None)
    assert torch.equal(objective.draw(16), first)
    objective.train()(views(), views(), None)
    assert objective.step == 1 and not torch.equal(objective.draw(16), first)
    monkeypatch.setenv("PL_GLOBAL_SEED", "4")
    assert not torch.equal(WMSE(slice_size=8, iterations=2).draw(16), first)


def test_a_resumed_objective_draws_what_the_first_would_have() -> None:
    objective = WMSE(slice_size=8)
    for _ in range(3):
        objective(views(), views(), None)
    resumed = WMSE(slice_size=8)
    resumed.load_state_dict(objective.state_dict())
    assert torch.equal(resumed.draw(16), objective.draw(16))
    assert not torch.equal(resumed.draw(16), WMSE(slice_size=8).draw(16))


def test_half_precision_is_widened() -> None:
    online = views().detach().bfloat16()
    objective, twin = WMSE(slice_size=8), WMSE(slice_size=8)
    loss = objective(online, online, None)["loss"]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, twin(online.float(), online, None)["loss"])


def test_arguments_are_checked_when_they_are_set() -> None:
    for name, value in (
        ("slice_size", 1),
        ("views", 1),
        ("iterations", 0),
        ("eps", -0.1),
        ("distance", "far"),
    ):
        with pytest.raises(ValueError, match=f"{name} must .*, got '?{value}"):
            WMSE(**{name: value})


def test_a_batch_that_cannot_be_whitened_says_what_to_do() -> None:
    objective = WMSE(slice_size=8)
    with pytest.raises(ValueError, match="slices of 8 images, which do not fill a batch of 12"):
        objective(views(n=12), views(n=12), None)
    with pytest.raises(ValueError, match="needs more rows than features, got 8 x 8"):
        objective(views(d=8), views(d=8), None)
    with pytest.raises(ValueError, match="online must hold two views"):
        objective(views(3), views(3), None)
    assert "slice_size=8, views=2, iterations=1" in repr(objective)
