import math

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    queue_dcl_per_anchor,
    queue_nce,
    queue_nce_per_anchor,
    unit_rows,
)
from sslkit.functional.queue_contrast import queue_logits


def inputs(n: int = 5, k: int = 7, d: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2 * n + k, d, generator=generator, dtype=torch.float64)
    return rows[:n], rows[:n] + rows[n : 2 * n], unit_rows(rows[2 * n :])


@pytest.mark.parametrize("name", oracle.case_names("objectives", "moco."))
def test_equals_the_authors_code_in_value_gradient_and_logits(name: str) -> None:
    case = oracle.case("objectives", name)
    q, k, queue = case.inputs["q"].requires_grad_(), case.inputs["k"], case.inputs["queue"]
    loss = queue_nce(q, k, queue, temperature=case.params["temperature"])
    loss.backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], **close)
    torch.testing.assert_close(q.grad, case.outputs["grad_q"], **close)
    per_anchor = queue_nce_per_anchor(q, k, queue, temperature=case.params["temperature"])
    logits = case.outputs["logits"]
    torch.testing.assert_close(per_anchor.detach(), logits.logsumexp(dim=1) - logits[:, 0], **close)
    own, negatives = queue_logits(q.detach(), k, queue, temperature=case.params["temperature"])
    torch.testing.assert_close(torch.cat([own[:, None], negatives], dim=1), logits, **close)


@pytest.mark.parametrize("name", oracle.case_names("objectives", "dcl_moco."))
def test_dcl_on_a_queue_equals_its_formula(name: str) -> None:
    case = oracle.case("objectives", name)
    q = case.inputs["q"].requires_grad_()
    loss = queue_dcl_per_anchor(
        q, case.inputs["k"], case.inputs["queue"], temperature=case.params["temperature"]
    ).mean()
    loss.backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], **close)
    torch.testing.assert_close(q.grad, case.outputs["grad_q"], **close)


def test_both_directions_against_one_queue() -> None:
    case = oracle.case("objectives", "mocov2plus.solo.n16d8.t0.2")
    z1, z2 = (case.inputs[k].requires_grad_() for k in ("z1", "z2"))
    queue, temperature = case.inputs["queue"], case.params["temperature"]
    loss = (
        queue_nce(z1, z2, queue, temperature=temperature)
        + queue_nce(z2, z1, queue, temperature=temperature)
    ) / 2
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    torch.testing.assert_close(z1.grad, case.outputs["grad_z1"], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(z2.grad, case.outputs["grad_z2"], rtol=1e-10, atol=1e-12)


def test_equals_the_double_loop() -> None:
    q, k, queue = inputs()
    weight = torch.linspace(0.5, 1.5, len(q), dtype=torch.float64)
    for i in range(len(q)):
        positive = torch.cosine_similarity(q[i], k[i], dim=0).item() / 0.3
        negatives = [torch.cosine_similarity(q[i], row, dim=0).item() / 0.3 for row in queue]
        total = sum(math.exp(s) for s in negatives)
        coupled = -positive + math.log(math.exp(positive) + total)
        assert queue_nce_per_anchor(q, k, queue, temperature=0.3)[i].item() == pytest.approx(
            coupled, rel=1e-12
        )
        decoupled = -weight[i].item() * positive + math.log(total)
        found = queue_dcl_per_anchor(q, k, queue, temperature=0.3, weight=weight)
        assert found[i].item() == pytest.approx(decoupled, rel=1e-12)


def test_a_query_equally_near_to_everything() -> None:
    q = torch.tensor([[1.0, 0, 0, 0]]).double()
    others = torch.tensor([[0, 1.0, 0, 0]]).double()
    queue = unit_rows(torch.tensor([[0, -1.0, 2, 0], [0, 0, 0, 1], [0, 5, 0, 0]]).double())
    loss = queue_nce(q, others, queue, temperature=0.07)
    assert loss.item() == pytest.approx(math.log(1 + 3), rel=1e-12)


def test_keys_and_queue_get_no_gradient() -> None:
    q, k, queue = (x.requires_grad_() for x in inputs())
    for loss in (
        queue_nce(q, k, queue, temperature=0.2),
        queue_dcl_per_anchor(q, k, queue, temperature=0.2).sum(),
    ):
        found = torch.autograd.grad(loss, (q, k, queue), allow_unused=True)
        assert found[0].abs().max() > 1e-3 and found[1:] == (None, None)


def test_a_queue_in_half_precision_is_widened() -> None:
    q, k, queue = (x.float() for x in inputs())
    half = queue.bfloat16()
    loss = queue_nce(q, k, half, temperature=0.2)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, queue_nce(q, k, half.float(), temperature=0.2))


@pytest.mark.parametrize("shape", [(0, 6), (7, 5), (7,)])
def test_the_queue_is_checked(shape: tuple[int, ...]) -> None:
    q, k, _ = inputs()
    with pytest.raises(ValueError, match=r"queue must be .* D = 6"):
        queue_nce(q, k, torch.ones(shape), temperature=0.2)


def test_queries_keys_and_temperature_are_checked() -> None:
    q, k, queue = inputs()
    with pytest.raises(ValueError, match="q and k must be matrices"):
        queue_nce(q, k[:2], queue, temperature=0.2)
    with pytest.raises(ValueError, match=r"temperature .* got 0"):
        queue_nce(q, k, queue, temperature=0)
