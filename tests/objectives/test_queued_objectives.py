import math
from typing import Any

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.data import ViewBatch
from sslkit.functional import (
    dual_view_nce_per_anchor,
    hard_queue_nce_per_anchor,
    positive_weights,
    queue_dcl_per_anchor,
    queue_nce,
    queue_nce_per_anchor,
    unit_rows,
)
from sslkit.objectives import DualViewNCE, NNCLRObjective, Objective, QueueInfoNCE, Routes

SMALL: dict[str, Any] = {"dim": 5, "queue_size": 9, "temperature": 0.3}


def pair(views: int = 1, n: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, views, n, 5, generator=generator)
    return a.requires_grad_(), (a + b).detach().requires_grad_()


def batch(n: int = 4) -> ViewBatch:
    return ViewBatch([], torch.arange(n), 10 * torch.arange(n))


@pytest.mark.parametrize("name", oracle.case_names("objectives", "moco."))
def test_one_step_equals_the_authors_moco(name: str) -> None:
    case = oracle.case("objectives", name)
    objective = QueueInfoNCE(dim=8, queue_size=64, temperature=case.params["temperature"]).double()
    objective.queue.rows.copy_(case.inputs["queue"])
    objective.queue.position.fill_(case.params["queue_ptr"])
    q = case.inputs["q"].requires_grad_()
    result = objective(q[None], case.inputs["k"][None], None)
    result["loss"].backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(result["loss"].detach(), case.outputs["loss"], **close)
    torch.testing.assert_close(q.grad, case.outputs["grad_q"], **close)
    torch.testing.assert_close(objective.queue.rows, case.outputs["queue_after"], **close)
    assert objective.queue.position == case.outputs["queue_ptr_after"]


def test_symmetric_equals_moco_v2_plus() -> None:
    case = oracle.case("objectives", "mocov2plus.solo.n16d8.t0.2")
    objective = QueueInfoNCE(dim=8, queue_size=64, temperature=0.2, symmetric=True).double()
    objective.queue.rows.copy_(case.inputs["queue"])
    online = torch.stack([case.inputs["z1"], case.inputs["z2"]]).requires_grad_()
    result = objective(online, online.detach(), None)
    result["loss"].backward()
    expected = torch.stack([case.outputs["grad_z1"], case.outputs["grad_z2"]])
    torch.testing.assert_close(result["loss"].detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    torch.testing.assert_close(online.grad, expected, rtol=1e-10, atol=1e-12)
    # Both views' keys, the first ones first.
    keys = unit_rows(torch.cat([case.inputs["z1"], case.inputs["z2"]]))
    torch.testing.assert_close(objective.queue.rows[:32], keys)


@pytest.mark.parametrize("symmetric", [False, True])
def test_forward_gives_the_function_and_what_to_watch(symmetric: bool) -> None:
    objective = QueueInfoNCE(**SMALL, symmetric=symmetric)
    online, target = pair(1 + symmetric)
    rows = objective.queue.snapshot()
    result = objective(online, target, batch())
    keys = target.flip(0)
    expected = torch.cat(
        [
            queue_nce_per_anchor(q, k, rows, temperature=0.3)
            for q, k in zip(online, keys, strict=True)
        ]
    )
    torch.testing.assert_close(result["per_anchor"], expected.detach())
    torch.testing.assert_close(result["loss"], expected.mean())
    assert {name for name, value in result.items() if value.requires_grad} == {"loss"}
    q, k = unit_rows(online.detach().flatten(0, 1)), unit_rows(keys.detach().flatten(0, 1))
    torch.testing.assert_close(result["positive_similarity"], (q * k).sum(1).mean())
    torch.testing.assert_close(result["negative_similarity"], (q @ rows.T).mean())
    one_way, both = Routes(online=(0,), target=(1,)), Routes(online=(0, 1), target=(0, 1))
    assert objective.routes == (both if symmetric else one_way)


def test_decoupled_and_weighted() -> None:
    online, target = pair()
    objective = QueueInfoNCE(**SMALL, decoupled=True)
    rows = objective.queue.snapshot()
    plain = queue_dcl_per_anchor(online[0], target[0], rows, temperature=0.3)
    torch.testing.assert_close(objective(online, target, None)["loss"], plain.mean())
    cosines = torch.cosine_similarity(online[0], target[0]).detach()
    weight = positive_weights(cosines, sigma=0.4)
    weighted = queue_dcl_per_anchor(online[0], target[0], rows, temperature=0.3, weight=weight)
    objective = QueueInfoNCE(**SMALL, decoupled=True, sigma=0.4)
    found = objective(online, target, None)["loss"]
    torch.testing.assert_close(found, weighted.mean())
    torch.testing.assert_close(
        torch.autograd.grad(found, online)[0], torch.autograd.grad(weighted.mean(), online)[0]
    )


def test_dual_view() -> None:
    objective = DualViewNCE(**SMALL, hardest=3, key_weight=0.3)
    online, target = pair()
    rows = objective.queue.snapshot()
    expected = dual_view_nce_per_anchor(
        online[0], target[0], rows, temperature=0.3, hardest=3, key_weight=0.3
    )
    torch.testing.assert_close(objective(online, target, None)["per_anchor"], expected.detach())
    online, target = pair(2)
    objective = DualViewNCE(**SMALL, hardest=3, key_weight=0.3, symmetric=True)
    first, second = (
        hard_queue_nce_per_anchor(
            q, k.detach(), objective.queue.snapshot(), temperature=0.3, hardest=3
        )
        for q, k in ((online[0], target[1]), (online[1], target[0]))
    )
    result = objective(online, target, None)
    torch.testing.assert_close(result["loss"], (0.7 * first + 0.3 * second).mean())
    assert DualViewNCE(dim=5, queue_size=40).hardest == 10
    assert "[reconstruction]" in (DualViewNCE.__doc__ or "")


QUEUED = {
    "moco": lambda: QueueInfoNCE(**SMALL, symmetric=True),
    "dual view": lambda: DualViewNCE(**SMALL, symmetric=True),
    "nnclr": lambda: NNCLRObjective(**SMALL),
}


@pytest.mark.parametrize("name", QUEUED)
def test_keys_enter_once_a_step_after_the_loss_and_in_training_only(name: str) -> None:
    objective: Objective = QUEUED[name]()
    online, target = pair(2)
    before = objective.state_dict()
    before = {key: value.clone() for key, value in before.items()}
    losses = []
    for mode in (False, False, True, True):
        objective.train(mode)
        losses.append(objective(online, target, batch())["loss"])
        losses[-1].backward()  # the queue's move does not disturb the way back
        if not mode:
            for key, value in objective.state_dict().items():
                assert torch.equal(value, before[key]), key
    # The first training step still saw the old queue, the second one the keys of the first.
    assert losses[0] == losses[1] == losses[2] != losses[3]
    views = 1 if name == "nnclr" else 2
    state = objective.state_dict()
    assert state["queue.filled"] == min(2 * views * 4, 9)
    assert state["queue.position"] == 2 * views * 4 % 9
    last = state["queue.position"].item() - 1
    torch.testing.assert_close(state["queue.rows"][last], unit_rows(target[views - 1])[-1])
    assert (state["queue.labels"][last], state["queue.index"][last]) == (3, 30)


@pytest.mark.parametrize("name", QUEUED)
def test_only_the_online_branch_gets_gradient(name: str) -> None:
    online, target = pair(2)
    loss = QUEUED[name]()(online, target, None)["loss"]
    of_online, of_target = torch.autograd.grad(loss, (online, target), allow_unused=True)
    assert of_online.abs().max() > 0 and of_target is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", QUEUED)
def test_half_precision_is_widened_before_it_is_normalised(name: str, dtype: torch.dtype) -> None:
    objective, twin = QUEUED[name](), QUEUED[name]()
    online, target = (x.detach().to(dtype) for x in pair(2))
    result, expected = (
        objective(online, target, None),
        twin(online.float(), target.float(), None),
    )
    torch.testing.assert_close(result["loss"], expected["loss"])
    torch.testing.assert_close(objective.state_dict(), twin.state_dict())


def test_one_image_and_one_row() -> None:
    objective = QueueInfoNCE(dim=5, queue_size=1)
    online, target = pair(n=1)
    row = objective.queue.snapshot()
    loss = objective(online, target, None)["loss"]
    torch.testing.assert_close(loss, queue_nce(online[0], target[0], row, temperature=0.2))
    torch.testing.assert_close(objective.queue.rows, unit_rows(target[0].detach()))


def test_arguments_are_checked_when_they_are_set() -> None:
    for build, message in (
        (lambda: QueueInfoNCE(dim=0), "size=65536 and dim=0"),
        (lambda: QueueInfoNCE(dim=4, queue_size=8, temperature=math.inf), "got inf"),
        (lambda: QueueInfoNCE(dim=4, queue_size=8, sigma=0.5), "set decoupled=True"),
        (lambda: QueueInfoNCE(dim=4, queue_size=8, decoupled=True, sigma=-1.0), "got -1.0"),
        (lambda: DualViewNCE(dim=4, queue_size=8, hardest=9), "queue_size=8, got 9"),
        (lambda: DualViewNCE(dim=4, queue_size=8, key_weight=1.5), "got 1.5"),
        (lambda: NNCLRObjective(dim=4, queue_size=0), "size=0"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_shapes_are_checked() -> None:
    objective = QueueInfoNCE(**SMALL)
    online, target = pair(2)
    with pytest.raises(ValueError, match="online must hold one view"):
        objective(online, target, None)
    with pytest.raises(ValueError, match="target must hold one view"):
        objective(online[:1], target, None)
    with pytest.raises(ValueError, match=r"queue must be .* D = 3"):
        objective(torch.ones(1, 4, 3), torch.ones(1, 4, 3), None)


def test_printed_modules_say_their_arguments() -> None:
    text = repr(QueueInfoNCE(dim=5, queue_size=9, decoupled=True, sigma=0.5))
    for part in ("size=9, dim=5", "temperature=0.2", "decoupled=True", "sigma=0.5"):
        assert part in text
    assert "hardest=2" in repr(DualViewNCE(dim=5, queue_size=9))
