import math

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    cross_view_nce,
    cross_view_nce_per_anchor,
    nearest_neighbour_nce,
    nearest_neighbour_nce_per_anchor,
    nearest_rows,
    unit_rows,
)


def pair(n: int = 6, d: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return a, a + b


@pytest.mark.parametrize("name", oracle.case_names("objectives", "mocov3."))
def test_equals_the_authors_moco_v3(name: str) -> None:
    case = oracle.case("objectives", name)
    q, temperature = case.inputs["q"].requires_grad_(), case.params["temperature"]
    loss = 2 * temperature * cross_view_nce(q, case.inputs["k"], temperature=temperature)
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    torch.testing.assert_close(q.grad, case.outputs["grad_q"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", oracle.case_names("objectives", "nnclr"))
def test_equals_nnclr(name: str) -> None:
    case = oracle.case("objectives", name)
    z, p, queue = case.inputs["z"], case.inputs["p"].requires_grad_(), case.inputs["queue"]
    index = nearest_rows(z, queue)
    if "nn_index" in case.outputs:
        assert index.tolist() == case.outputs["nn_index"].tolist()
    loss = nearest_neighbour_nce(
        queue[index], p, temperature=case.params["temperature"], decoupled="dcl" in name
    )
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-10, atol=0)
    torch.testing.assert_close(p.grad, case.outputs["grad_p"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
def test_equals_the_double_loop(decoupled: bool) -> None:
    a, b = pair()
    for i in range(len(a)):
        scores = [torch.cosine_similarity(a[i], row, dim=0).item() / 0.3 for row in b]
        total = sum(math.exp(s) for j, s in enumerate(scores) if not decoupled or j != i)
        expected = pytest.approx(-scores[i] + math.log(total), rel=1e-12)
        of_neighbour = nearest_neighbour_nce_per_anchor(
            a, b, temperature=0.3, offset=0, decoupled=decoupled
        )
        assert of_neighbour[i].item() == expected
        if not decoupled:
            of_query = cross_view_nce_per_anchor(a, b, temperature=0.3, offset=0)
            assert of_query[i].item() == expected


@pytest.mark.parametrize(("rows", "offset"), [(2, 0), (2, 4), (1, 3)])
def test_local_anchors_are_rows_of_the_whole(rows: int, offset: int) -> None:
    a, b = pair()
    mine = slice(offset, offset + rows)
    for loss, options in (
        (cross_view_nce_per_anchor, {}),
        (nearest_neighbour_nce_per_anchor, {"decoupled": False}),
        (nearest_neighbour_nce_per_anchor, {"decoupled": True}),
    ):
        whole = loss(a, b, temperature=0.2, offset=0, **options)
        part = loss(a[mine], b, temperature=0.2, offset=offset, **options)
        torch.testing.assert_close(part, whole[mine])


def test_at_a_temperature_of_one_half_moco_v3_is_plain_cross_entropy() -> None:
    q, k = pair()
    v3 = 2 * 0.5 * cross_view_nce(q, k, temperature=0.5)
    logits = 2 * torch.nn.functional.normalize(q) @ torch.nn.functional.normalize(k).T
    plain = torch.nn.functional.cross_entropy(logits, torch.arange(6))
    torch.testing.assert_close(v3, plain)


def test_decoupling_takes_the_positive_out() -> None:
    nn, p = pair()
    coupled, decoupled = (
        nearest_neighbour_nce_per_anchor(nn, p, temperature=0.3, offset=0, decoupled=d)
        for d in (False, True)
    )
    positive = torch.cosine_similarity(nn, p) / 0.3
    assert (coupled > decoupled).all()
    torch.testing.assert_close(
        coupled - decoupled, torch.log1p(torch.exp(-decoupled))
    )  # log(1 + P/Neg), with -loss = log P/Neg
    torch.testing.assert_close(coupled.exp() * positive.exp(), (
        decoupled.exp() * positive.exp() + positive.exp()
    ))  # fmt: skip


def test_nearest_rows_are_those_of_brute_force() -> None:
    z, bank = torch.randn(2, 20, 5, generator=torch.Generator().manual_seed(3))
    bank = unit_rows(bank)
    brute = [
        max(range(20), key=lambda j: torch.cosine_similarity(z[i], bank[j], dim=0).item())
        for i in range(20)
    ]
    assert nearest_rows(z, bank).tolist() == brute


def test_a_bank_that_holds_the_embedding_gives_it_back() -> None:
    z, other = pair()
    bank = unit_rows(torch.cat([other, 3 * z]))
    torch.testing.assert_close(bank[nearest_rows(z, bank)], unit_rows(z))


def test_neighbours_get_no_gradient_and_candidates_do() -> None:
    nn, p = (x.requires_grad_() for x in pair())
    for decoupled in (False, True):
        loss = nearest_neighbour_nce(nn, p, temperature=0.2, decoupled=decoupled)
        of_nn, of_p = torch.autograd.grad(loss, (nn, p), allow_unused=True)
        assert of_nn is None and of_p.abs().max() > 1e-3
    assert not nearest_rows(p, unit_rows(nn)).requires_grad


def test_a_float32_neighbour_of_a_float64_prediction() -> None:
    nn, p = pair()
    loss = nearest_neighbour_nce(nn.float(), p, temperature=0.2)
    assert loss.dtype == torch.float64


def test_arguments_are_checked() -> None:
    a, b = pair()
    with pytest.raises(ValueError, match="q and k must be matrices"):
        cross_view_nce(a, b[:3], temperature=0.2)
    with pytest.raises(ValueError, match="nn and p must be matrices"):
        nearest_neighbour_nce(a, b[:3], temperature=0.2)
    with pytest.raises(ValueError, match=r"temperature .* got -1"):
        cross_view_nce(a, b, temperature=-1)
    with pytest.raises(ValueError, match="offset must lie between 0 and N - n = 4, got 5"):
        cross_view_nce_per_anchor(a[:2], b, temperature=0.2, offset=5)
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        nearest_neighbour_nce(a[:1], b[:1], temperature=0.2, decoupled=True)
    with pytest.raises(ValueError, match="same embedding size, got 5 and 3"):
        nearest_rows(a, torch.ones(4, 3))
