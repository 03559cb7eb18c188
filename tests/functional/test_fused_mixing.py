import math
from typing import Any

import largest
import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import mix_factors, mix_pairs, mix_queries, queue_nce_per_anchor, unit_rows
from sslkit.functional.fused_mixing import queue_mixed_nce_per_anchor
from sslkit.negatives.mixing import make_mixes
from sslkit.negatives.pairs import Mixes, Pairs
from sslkit.objectives.pair_losses import Decoupled, InfoNCE

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def inputs(
    n: int = 5, k: int = 20, d: int = 6, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + k)
    rows = torch.randn(2 * n + k, d, generator=generator, dtype=torch.float64)
    q, queue = rows[:n], unit_rows(rows[2 * n :])
    k_ = q + rows[n : 2 * n]
    return q.to(dtype).requires_grad_(), k_.to(dtype), queue.to(dtype)


def drawn(
    n: int, h: int, s: int = 4, s2: int = 3, dtype: torch.dtype = torch.float64
) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(s + s2)
    return {
        "hardest": h,
        "pair": torch.randint(h, (2, n, s), generator=generator),
        "pair_weight": torch.rand(n, s, generator=generator, dtype=torch.float64).to(dtype),
        "query_index": torch.randint(h, (n, s2), generator=generator),
        "query_weight": torch.rand(n, s2, generator=generator, dtype=torch.float64).to(dtype) / 2,
    }


def in_the_open(
    q: Tensor,
    k: Tensor,
    queue: Tensor,
    draws: dict[str, Any],
    temperature: float,
    *,
    log_weight: Tensor | None = None,
    decoupled: bool = False,
    weight: Tensor | None = None,
) -> Tensor:
    """The same loss with all logits and the (N, S, D) mixes held, and autograd through it."""
    unit = unit_rows(q)
    hard = (unit.detach() @ queue.T).topk(draws["hardest"], dim=1).indices
    made = torch.cat(
        [
            mix_pairs(queue, hard, draws["pair"], draws["pair_weight"]),
            mix_queries(unit, queue, hard, draws["query_index"], draws["query_weight"]),
        ],
        dim=1,
    )
    mixed = torch.einsum("nd,nsd->ns", unit, made) / temperature
    positive = (unit * unit_rows(k)).sum(1) / temperature
    positive = positive if weight is None else weight * positive
    logits = [unit @ queue.T / temperature, mixed if log_weight is None else mixed + log_weight]
    if not decoupled:
        logits.append(positive[:, None])
    return torch.cat(logits, 1).logsumexp(1) - positive


@pytest.mark.parametrize(
    ("n", "k", "h", "s", "s2"),
    [
        (1, 1, 1, 2, 2),
        (1, 9, 4, 5, 3),
        (5, 20, 20, 4, 3),
        (5, 20, 6, 0, 3),
        (5, 20, 6, 4, 0),
        (5, 20, 6, 0, 0),
        (7, 203, 5, 30, 11),
        (130, 40, 8, 6, 6),
    ],
)
@pytest.mark.parametrize("options", [{}, {"decoupled": True}, {"weight": 1.5}])
def test_equals_autograd_in_value_and_gradient(
    n: int, k: int, h: int, s: int, s2: int, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix_factors, "_ROWS", 7)
    q, keys, queue = inputs(n, k)
    draws = drawn(n, h, s, s2)
    log_weight = torch.linspace(-2, 1, n * (s + s2), dtype=torch.float64).view(n, -1)
    given = dict(options)
    if "weight" in given:
        given["weight"] = torch.linspace(0.5, given["weight"], n, dtype=torch.float64)
    found = queue_mixed_nce_per_anchor(
        q, keys, queue, temperature=0.1, extra_log_weight=log_weight, **draws, **given
    )
    expected = in_the_open(q, keys, queue, draws, 0.1, log_weight=log_weight, **given)
    torch.testing.assert_close(found, expected, **EXACT)
    incoming = torch.linspace(-1, 2, n, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(found, q, incoming), torch.autograd.grad(expected, q, incoming), **EXACT
    )


def test_equals_the_double_loop() -> None:
    q, k, queue = inputs()
    q, draws = q.detach(), drawn(5, 6)
    found = queue_mixed_nce_per_anchor(q, k, queue, temperature=0.3, **draws)

    def unit(x: list[float]) -> list[float]:
        length = math.sqrt(math.fsum(a * a for a in x))
        return [a / length for a in x]

    def dot(x: list[float], y: list[float]) -> float:
        return math.fsum(a * b for a, b in zip(x, y, strict=True))

    def mix(share: float, x: list[float], y: list[float]) -> list[float]:
        return unit([share * a + (1 - share) * b for a, b in zip(x, y, strict=True)])

    for i in range(5):
        own = unit(q[i].tolist())
        rows = sorted(queue.tolist(), key=lambda row: -dot(own, row))
        others = list(rows)
        for s in range(4):
            a, b = (rows[draws["pair"][end, i, s]] for end in (0, 1))
            others.append(mix(draws["pair_weight"][i, s].item(), a, b))
        for s in range(3):
            a = rows[draws["query_index"][i, s]]
            others.append(mix(draws["query_weight"][i, s].item(), own, a))
        positive = dot(own, unit(k[i].tolist())) / 0.3
        total = math.exp(positive) + math.fsum(math.exp(dot(own, x) / 0.3) for x in others)
        assert found[i].item() == pytest.approx(math.log(total) - positive, rel=1e-12)


@pytest.mark.parametrize("name", oracle.case_names("negatives", "mochi."))
def test_equals_the_reference_in_loss_and_gradient(name: str) -> None:
    case = oracle.case("negatives", name)
    q, out = case.inputs["q"].requires_grad_(), case.outputs
    # The stored columns are of the hardest rows in no order, ours of them from the hardest on.
    cosines = (unit_rows(q.detach()) @ case.inputs["queue"].T).gather(1, out["hard_idx"])
    rank = cosines.argsort(1, descending=True).argsort(1)
    pair, query = out.get("pair_idx"), out.get("query_idx")
    pair = None if pair is None else torch.stack([rank.gather(1, column) for column in pair])
    query = None if query is None else rank.gather(1, query)
    no_columns, no_weights = torch.empty(len(q), 0, dtype=torch.int64), q.new_empty(len(q), 0)
    loss = queue_mixed_nce_per_anchor(
        q,
        case.inputs["k"],
        case.inputs["queue"],
        temperature=case.params["temperature"],
        hardest=case.params["N"],
        pair=torch.stack([no_columns, no_columns]) if pair is None else pair,
        pair_weight=no_weights if pair is None else out["alpha"].squeeze(-1),
        query_index=no_columns if query is None else query,
        query_weight=no_weights if query is None else out["beta_raw"].squeeze(-1) / 2,
    ).mean()
    loss.backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(loss.detach(), out["loss"], **close)
    torch.testing.assert_close(q.grad, out["grad_q"], **close)


@pytest.mark.parametrize("decoupled", [False, True])
def test_equals_the_loss_of_pairs_whose_mixes_are_made(decoupled: bool) -> None:
    q, k, queue = inputs(70, 90)
    draws, unit = drawn(70, 9), unit_rows(q)
    found = queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, decoupled=decoupled, **draws)
    loss = Decoupled() if decoupled else InfoNCE()
    pairs = Pairs(
        unit, unit_rows(k)[:, None], queue, temperature=0.2, score=loss, mixes=Mixes(**draws)
    )
    expected = loss(make_mixes(pairs))
    torch.testing.assert_close(found, expected, **EXACT)
    incoming = torch.linspace(0, 1, 70, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(found, q, incoming), torch.autograd.grad(expected, q, incoming), **EXACT
    )


@pytest.mark.parametrize("decoupled", [False, True])
def test_gradcheck(decoupled: bool) -> None:
    # The mixes are constants, so only those that do not move with the query are for gradcheck.
    q, k, queue = inputs(3, 9, 4)
    draws = drawn(3, 5)
    draws["query_weight"].zero_()
    assert torch.autograd.gradcheck(
        lambda q: queue_mixed_nce_per_anchor(
            q, k, queue, temperature=0.3, decoupled=decoupled, **draws
        ),
        (q,),
    )


def test_each_query_mixes_its_own_hardest() -> None:
    q, k, queue = inputs(4, 30)
    draws = drawn(4, 3)
    together = queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, **draws)
    for i in range(4):
        own = {x: y if x == "hardest" else y[..., i : i + 1, :] for x, y in draws.items()}
        alone = queue_mixed_nce_per_anchor(
            q[i : i + 1], k[i : i + 1], queue, temperature=0.2, **own
        )
        torch.testing.assert_close(together[i : i + 1], alone, **EXACT)


def test_without_mixes_or_with_mixes_that_count_nothing_it_is_the_plain_loss() -> None:
    q, k, queue = inputs()
    plain = queue_nce_per_anchor(q, k, queue, temperature=0.2)
    none = queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, **drawn(5, 6, 0, 0))
    nothing = queue_mixed_nce_per_anchor(
        q,
        k,
        queue,
        temperature=0.2,
        extra_log_weight=torch.full((5, 7), -torch.inf, dtype=torch.float64),
        **drawn(5, 6),
    )
    wanted = torch.autograd.grad(plain.sum(), q)
    for losses in (none, nothing):
        torch.testing.assert_close(losses, plain, **EXACT)
        torch.testing.assert_close(torch.autograd.grad(losses.sum(), q), wanted, **EXACT)
    assert (queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, **drawn(5, 6)) > plain).all()


def test_only_the_query_gets_a_gradient_and_only_once() -> None:
    q, k, queue = (x.requires_grad_() for x in inputs())
    loss = queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, **drawn(5, 6)).sum()
    found = torch.autograd.grad(loss, (q, k, queue), allow_unused=True, create_graph=True)
    assert found[0].abs().max() > 1e-3 and found[1:] == (None, None)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        found[0].sum().backward()


def test_the_queue_may_move_on_before_the_backward_pass() -> None:
    q, k, queue = inputs()
    draws = drawn(5, 6)
    expected = in_the_open(q, k, queue.clone(), draws, 0.2).sum()
    loss = queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, **draws).sum()
    queue.zero_()
    torch.testing.assert_close(
        torch.autograd.grad(loss, q), torch.autograd.grad(expected, q), **EXACT
    )


def test_rows_that_cancel_and_a_query_of_zeros_stay_finite() -> None:
    q = torch.tensor([[1.0, 0], [0, 0]], requires_grad=True)
    queue = torch.tensor([[0.0, 1], [0, -1], [-1, 0]])
    half = torch.full((2, 1), 0.5)
    loss = queue_mixed_nce_per_anchor(
        q,
        torch.ones(2, 2),
        queue,
        temperature=0.1,
        hardest=3,
        pair=torch.tensor([[[0], [0]], [[1], [1]]]),
        pair_weight=half,
        query_index=torch.tensor([[2], [2]]),
        query_weight=half,
    )
    loss.sum().backward()
    assert loss.isfinite().all() and q.grad is not None and q.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [0.005, 0.2])
def test_float32_is_near_float64(temperature: float) -> None:
    results = {}
    for dtype in (torch.float32, torch.float64):
        q, k, queue = inputs(6, 300, dtype=dtype)
        loss = queue_mixed_nce_per_anchor(
            q, k, queue, temperature=temperature, **drawn(6, 8, dtype=dtype)
        ).mean()
        results[dtype] = [loss.detach(), *torch.autograd.grad(loss, q)]
        assert all(x.dtype == dtype for x in results[dtype])
    for single, double in zip(*results.values(), strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


def test_half_precision_and_autocast_compute_in_float32() -> None:
    q, k, queue = inputs(dtype=torch.float32)
    draws, half = drawn(5, 6, dtype=torch.float32), queue.bfloat16()
    expected = in_the_open(q, k, half.float(), draws, 0.2)
    with torch.autocast("cpu", torch.bfloat16):
        found = queue_mixed_nce_per_anchor(q, k, half, temperature=0.2, **draws)
    torch.testing.assert_close(found, expected)


def test_neither_the_logits_nor_the_mixes_are_held() -> None:
    q, k, queue = inputs(160, 20_000, 32, dtype=torch.float32)
    draws = drawn(160, 500, 300, 200, dtype=torch.float32)
    with largest.Largest() as seen:
        queue_mixed_nce_per_anchor(q, k, queue, temperature=0.2, **draws).sum().backward()
    assert seen.made == 64 * 20_000
    with largest.Largest() as seen:
        in_the_open(q, k, queue, draws, 0.2).sum().backward()
    assert seen.made >= 160 * 20_000


def test_arguments_are_checked() -> None:
    q, k, queue = inputs()
    draws = drawn(5, 6)
    for changes, message in (
        ({"hardest": 0}, "hardest must be at least 1, got 0"),
        ({"pair": draws["pair"][0]}, r"pair must be \(2, N, S\)"),
        ({"pair_weight": draws["pair_weight"][:2]}, "N = 5"),
        ({"query_index": draws["query_index"][:, :1]}, r"\(5, 1\) and \(5, 3\)"),
        ({"extra_log_weight": torch.zeros(5, 4)}, r"extra_log_weight must be .*= \(5, 7\)"),
        ({"temperature": 0}, r"temperature .* got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            queue_mixed_nce_per_anchor(q, k, queue, **{"temperature": 0.2, **draws, **changes})
    with pytest.raises(ValueError, match=r"queue must be .* D = 6"):
        queue_mixed_nce_per_anchor(q, k, queue[:, :5], temperature=0.2, **draws)
