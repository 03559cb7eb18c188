from pathlib import Path

import pytest
import torch
from gloo import WORLD, run_two_ranks

from sslkit.distributed import (
    gather,
    gather_no_grad,
    gather_objects,
    mean_across_ranks,
    mean_with_grad,
    rank,
    world_size,
)


def rows_of(rank_: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rank_)
    return torch.randn(3, 2, 4, dtype=torch.float64, generator=generator)


def weights_of(rank_: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 + rank_)
    return torch.randn(WORLD * 3, 2, 4, dtype=torch.float64, generator=generator)


def everything_on(rank_: int) -> dict:
    x = rows_of(rank_).requires_grad_()
    gathered = gather(x)
    (gathered * weights_of(rank_)).sum().backward()
    # A view with strides that the backend cannot send as they are, there and back.
    y = rows_of(rank_).requires_grad_()
    (gather(y.transpose(1, 2)) * weights_of(rank_).transpose(1, 2)).sum().backward()
    assert x.grad is not None and y.grad is not None
    mean = mean_across_ranks(torch.tensor(1.0 + rank_, requires_grad=True))
    z = rows_of(rank_).requires_grad_()
    joined = mean_with_grad(z)
    (joined * weights_of(rank_)[:3]).sum().backward()
    assert z.grad is not None
    return {
        "joined": joined.detach(),
        "grad_of_joined": z.grad,
        "rank": rank(),
        "world": world_size(),
        "gathered": gathered.detach(),
        "grad": x.grad,
        "grad_of_view": y.grad,
        "labels": gather_no_grad(torch.tensor([rank_, -1])),
        "mask": gather_no_grad(torch.tensor([rank_ == 0, True])),
        "half": gather_no_grad(torch.full((1, 2), float(rank_), dtype=torch.bfloat16)),
        "detached": not gather_no_grad(x).requires_grad and not mean.requires_grad,
        "mean": mean,
        "objects": gather_objects({"rank": rank_, "text": "ab" * (rank_ + 1)}),
    }


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return run_two_ranks(everything_on, tmp_path_factory.mktemp("ranks"))


def test_ranks_know_their_place(ranks: list[dict]) -> None:
    assert [(r["rank"], r["world"]) for r in ranks] == [(0, 2), (1, 2)]


def test_gather_stacks_rows_in_rank_order(ranks: list[dict]) -> None:
    joined = torch.cat([rows_of(0), rows_of(1)])
    assert all(torch.equal(r["gathered"], joined) for r in ranks)


def test_backward_of_gather_sums_what_all_ranks_want(ranks: list[dict]) -> None:
    total = weights_of(0) + weights_of(1)
    for i, r in enumerate(ranks):
        torch.testing.assert_close(r["grad"], total[3 * i : 3 * i + 3], rtol=1e-14, atol=0)
        assert torch.equal(r["grad"], r["grad_of_view"])


def test_gather_no_grad_takes_any_type_and_lets_nothing_back(ranks: list[dict]) -> None:
    for r in ranks:
        assert r["labels"].tolist() == [0, -1, 1, -1]
        assert r["mask"].tolist() == [True, True, False, True]
        assert r["half"].tolist() == [[0.0, 0.0], [1.0, 1.0]]
        assert r["detached"]


def test_mean_with_grad_is_a_mean_there_and_back(ranks: list[dict]) -> None:
    mean, back = (rows_of(0) + rows_of(1)) / 2, (weights_of(0) + weights_of(1))[:3] / 2
    for r in ranks:
        torch.testing.assert_close(r["joined"], mean, rtol=1e-14, atol=0)
        torch.testing.assert_close(r["grad_of_joined"], back, rtol=1e-14, atol=0)


def test_mean_and_objects_are_the_same_everywhere(ranks: list[dict]) -> None:
    for r in ranks:
        assert r["mean"].item() == 1.5
        assert r["objects"] == [{"rank": 0, "text": "ab"}, {"rank": 1, "text": "abab"}]


def test_one_process_is_left_alone() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert (rank(), world_size()) == (0, 1)
    assert gather(x) is x and mean_with_grad(x) is x
    for same in (gather_no_grad(x), mean_across_ranks(x)):
        assert torch.equal(same, x) and not same.requires_grad
    assert gather_objects("a") == ["a"]


@pytest.mark.parametrize("stack", [gather, gather_no_grad])
def test_a_scalar_has_no_rows(stack) -> None:
    with pytest.raises(ValueError, match="at least one dimension"):
        stack(torch.tensor(1.0))


def fail_on_rank_1(rank_: int) -> None:
    if rank_ == 1:
        raise KeyError("the reason")


def test_the_helper_reports_a_failing_rank(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the reason"):
        run_two_ranks(fail_on_rank_1, tmp_path)
