import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import (
    extrapolate_positives,
    interpolate_negatives,
    mix_pairs,
    mix_queries,
    queue_nce,
    unit_rows,
)
from sslkit.functional.mix_products import pair_mix_products, query_mix_products

CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def random_inputs(n: int = 3, k: int = 9, h: int = 4, s: int = 5, d: int = 6) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    q = unit_rows(torch.randn(n, d, generator=generator, dtype=torch.float64))
    bank = unit_rows(torch.randn(k, d, generator=generator, dtype=torch.float64))
    return {
        "q": q,
        "bank": bank,
        "hard": (q @ bank.T).topk(h).indices,
        "pair": torch.randint(h, (2, n, s), generator=generator),
        "weight": torch.rand(n, s, generator=generator, dtype=torch.float64),
    }


def cross_entropy(positive: Tensor, negatives: list[Tensor], temperature: float) -> Tensor:
    """Written out, apart from the losses of the package."""
    logits = torch.cat([positive[:, None], *negatives], dim=1) / temperature
    return (logits.logsumexp(1) - logits[:, 0]).mean()


@pytest.mark.parametrize("name", oracle.case_names("negatives", "mochi."))
def test_mochi_equals_the_reference_in_logits_loss_and_gradient(name: str) -> None:
    case = oracle.case("negatives", name)
    raw = case.inputs["q"].requires_grad_()
    q, k, bank = unit_rows(raw), unit_rows(case.inputs["k"]), case.inputs["queue"]
    out, temperature = case.outputs, case.params["temperature"]
    if "pair_idx" in out:
        mixed = mix_pairs(bank, out["hard_idx"], out["pair_idx"], out["alpha"].squeeze(-1))
    else:
        weight = out["beta_raw"].squeeze(-1) / 2
        mixed = mix_queries(q, bank, out["hard_idx"], out["query_idx"], weight)
    negatives = [q @ bank.T, torch.einsum("nd,nsd->ns", q, mixed)]
    loss = cross_entropy((q * k).sum(1), negatives, temperature)
    loss.backward()
    logits = torch.cat([(q * k).sum(1, keepdim=True), *negatives], dim=1) / temperature
    torch.testing.assert_close(logits.detach(), out["logits"], **CLOSE)
    torch.testing.assert_close(loss.detach(), out["loss"], **CLOSE)
    torch.testing.assert_close(raw.grad, out["grad_q"], **CLOSE)


@pytest.mark.parametrize("name", oracle.case_names("negatives", "ft."))
def test_feature_transformation_equals_the_authors_code(name: str) -> None:
    case = oracle.case("negatives", name)
    raw, out = case.inputs["q"].requires_grad_(), case.outputs
    q, k, bank = unit_rows(raw), unit_rows(case.inputs["k"]), case.inputs["queue"]
    if "beta_pos" in out:
        q, k = extrapolate_positives(q, k, 1 + out["beta_pos"])
    if "perm" in out:
        # The reference has coefficients of every element in float32, a scalar in float64.
        mu = out["beta_neg"] if "beta_neg" in out else out["beta_draw"].float()
        bank = interpolate_negatives(bank, out["perm"], mu)
    loss = cross_entropy((q * k).sum(1), [q @ bank.T], case.params["temperature"])
    loss.backward()
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ bank.T], 1) / case.params["temperature"]
    torch.testing.assert_close(logits.detach(), out["logits"], **CLOSE)
    torch.testing.assert_close(loss.detach(), out["loss"], **CLOSE)
    torch.testing.assert_close(raw.grad, out["grad_q"], **CLOSE)


def test_mixes_equal_the_double_loop() -> None:
    x = random_inputs()
    pairs = mix_pairs(x["bank"], x["hard"], x["pair"], x["weight"])
    queries = mix_queries(x["q"], x["bank"], x["hard"], x["pair"][0], x["weight"])
    for i in range(len(x["q"])):
        for s in range(x["weight"].shape[1]):
            share = x["weight"][i, s].item()
            first, second = (x["bank"][x["hard"][i, x["pair"][e, i, s]]] for e in (0, 1))
            mixed = share * first + (1 - share) * second
            towards = share * x["q"][i] + (1 - share) * first
            torch.testing.assert_close(pairs[i, s], mixed / mixed.norm(), **CLOSE)
            torch.testing.assert_close(queries[i, s], towards / towards.norm(), **CLOSE)


def test_every_anchor_mixes_its_own_negatives() -> None:
    # A public reimplementation gives every query the negatives of the first.
    x = random_inputs(n=3, k=6, h=2, s=4)
    x["hard"] = torch.tensor([[0, 1], [2, 3], [4, 5]])
    mixed = mix_queries(x["q"], x["bank"], x["hard"], x["pair"][0], torch.zeros(3, 4).double())
    for i in range(3):
        torch.testing.assert_close(mixed[i], x["bank"][2 * i + x["pair"][0, i]], **CLOSE)
    ends = torch.ones(3, 4, dtype=torch.float64)
    mixed = mix_pairs(x["bank"], x["hard"], x["pair"], ends)
    for i in range(3):
        torch.testing.assert_close(mixed[i], x["bank"][2 * i + x["pair"][0, i]], **CLOSE)


def test_mixes_have_norm_one_no_gradient_and_at_least_float32() -> None:
    x = random_inputs()
    q, bank = x["q"].requires_grad_(), x["bank"].requires_grad_()
    for dtype, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        made = (
            mix_pairs(bank.to(dtype), x["hard"], x["pair"], x["weight"].to(dtype)),
            mix_queries(
                q.to(dtype), bank.to(dtype), x["hard"], x["pair"][0], x["weight"].to(dtype)
            ),
        )
        for mixed in made:
            assert not mixed.requires_grad and mixed.dtype == expected
            torch.testing.assert_close(mixed.norm(dim=2), torch.ones(3, 5, dtype=expected))


def test_a_mix_with_the_query_is_at_least_as_hard_as_the_negative() -> None:
    x = random_inputs(n=40, k=30, s=20)
    mixed = mix_queries(x["q"], x["bank"], x["hard"], x["pair"][0], x["weight"] / 2)
    before = (x["q"] @ x["bank"].T).gather(1, x["hard"].gather(1, x["pair"][0]))
    assert (torch.einsum("nd,nsd->ns", x["q"], mixed) >= before - 1e-12).all()


@pytest.mark.parametrize("lengths", ["unit", "any"])
def test_products_equal_those_with_the_mixes_in_value_and_gradient(lengths: str) -> None:
    x = random_inputs(n=4, k=12, h=5, s=7)
    bank, hard, pair, weight = x["bank"], x["hard"], x["pair"], x["weight"]
    q = x["q"]
    if lengths == "any":
        bank, q = bank * torch.linspace(0.5, 2, 12)[:, None].double(), 1.7 * q
    q = q.detach().requires_grad_()
    near = (q @ bank.T).gather(1, hard)
    found = (
        pair_mix_products(near, bank, hard, pair, weight),
        query_mix_products(q, near, bank, hard, pair[0], weight),
    )
    made = (
        mix_pairs(bank, hard, pair, weight),
        mix_queries(q, bank, hard, pair[0], weight),
    )
    for products, mixed in zip(found, made, strict=True):
        expected = torch.einsum("nd,nsd->ns", q, mixed)
        torch.testing.assert_close(products, expected, **CLOSE)
        slope = torch.cos(torch.arange(28.0)).view(4, 7).double()
        torch.testing.assert_close(
            *(
                torch.autograd.grad((v * slope).sum(), q, retain_graph=True)
                for v in (products, expected)
            ),
            **CLOSE,
        )


def test_products_by_pieces_equal_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = random_inputs()
    near = (x["q"] @ x["bank"].T).gather(1, x["hard"])
    whole = pair_mix_products(near, x["bank"], x["hard"], x["pair"], x["weight"])
    monkeypatch.setattr("sslkit.functional.mix_products._PIECE", 4)
    pieces = pair_mix_products(near, x["bank"], x["hard"], x["pair"], x["weight"])
    torch.testing.assert_close(whole, pieces, **CLOSE)


def test_a_mix_of_opposite_negatives_stays_finite() -> None:
    bank = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    hard, pair = torch.tensor([[0, 1]]), torch.tensor([[[0]], [[1]]])
    half = torch.tensor([[0.5]])
    assert mix_pairs(bank, hard, pair, half).isfinite().all()
    near = torch.tensor([[0.3, -0.3]], requires_grad=True)
    product = pair_mix_products(near, bank, hard, pair, half)
    (slope,) = torch.autograd.grad(product.sum(), near)
    assert product.isfinite().all() and slope.isfinite().all()


@pytest.mark.parametrize("lam", [1.0, 1.3, 2.0])
def test_score_of_extrapolated_positives(lam: float) -> None:
    x = random_inputs(n=6)
    q, k = x["q"], x["bank"][:6]
    s = (q * k).sum(1)
    moved, key = extrapolate_positives(q, k, lam)
    score = (moved * key).sum(1)
    torch.testing.assert_close(score, s + 2 * lam * (1 - lam) * (1 - s), **CLOSE)
    assert (score <= s + 1e-12).all() and (score >= 5 * s - 4 - 1e-12).all()
    # A positive that has been reached stays where it is.
    torch.testing.assert_close(extrapolate_positives(q, q, lam), (q, q), **CLOSE)


def test_coefficient_one_is_moco_bit_by_bit() -> None:
    x = random_inputs(n=6)
    q, k = x["q"].requires_grad_(), x["bank"][:6]
    moved, key = extrapolate_positives(q, k, 1.0)
    bank = interpolate_negatives(x["bank"], torch.arange(9).flip(0), 1.0)
    assert torch.equal(moved, q) and torch.equal(key, k) and torch.equal(bank, x["bank"])
    plain, treated = (
        cross_entropy((a * b).sum(1), [a @ n.T], 0.2)
        for a, b, n in ((q, k, x["bank"]), (moved, key, bank))
    )
    assert torch.equal(plain, treated)
    torch.testing.assert_close(plain, queue_nce(q, k, x["bank"], temperature=0.2), **CLOSE)


def test_extrapolation_equals_the_loop_and_keeps_the_anchors_gradient_in_the_positive() -> None:
    x = random_inputs(n=4)
    q, k = x["q"].requires_grad_(), x["bank"][:4]
    lam = 1 + torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved, key = extrapolate_positives(q, k, lam)
    for i in range(4):
        for d in range(6):
            a = lam[i, d].item()
            assert moved[i, d].item() == pytest.approx(
                a * q[i, d].item() + (1 - a) * k[i, d].item()
            )
            assert key[i, d].item() == pytest.approx(a * k[i, d].item() + (1 - a) * q[i, d].item())
    attached, detached = (
        torch.autograd.grad((moved * positive).sum(), q, retain_graph=True)[0]
        for positive in (key, key.detach())
    )
    assert (attached - detached).abs().max() > 1e-2
    torch.testing.assert_close(attached, lam * key.detach() + (1 - lam) * moved.detach(), **CLOSE)


def test_interpolation_equals_the_loop_and_leaves_the_bank() -> None:
    bank = random_inputs()["bank"]
    kept, permutation = bank.clone(), torch.tensor([3, 0, 2, 1, 8, 7, 6, 5, 4])
    each = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    for mu in (0.3, torch.tensor(0.3), each[:, None], each[:, None].expand(9, 6)):
        mixed = interpolate_negatives(bank, permutation, mu)
        for j in range(9):
            share = each[j].item() if isinstance(mu, Tensor) and mu.ndim else float(mu)
            expected = share * bank[j] + (1 - share) * bank[permutation[j]]
            torch.testing.assert_close(mixed[j], expected, rtol=1e-7, atol=1e-8)
    assert torch.equal(bank, kept)


def test_half_precision_is_widened() -> None:
    q, bank = torch.ones(2, 4, dtype=torch.bfloat16), torch.ones(3, 4, dtype=torch.float16)
    lam = torch.full((2, 1), 1.5, dtype=torch.bfloat16)
    assert [t.dtype for t in extrapolate_positives(q, q, lam)] == [torch.float32] * 2
    assert interpolate_negatives(bank, torch.arange(3), 0.5).dtype == torch.float32


def test_shapes_are_checked() -> None:
    x = random_inputs()
    bank, hard, pair, weight = x["bank"], x["hard"], x["pair"], x["weight"]
    with pytest.raises(ValueError, match=r"hard \(N, H\) int64"):
        mix_pairs(bank, hard.int(), pair, weight)
    with pytest.raises(ValueError, match=r"bank must be \(K, D\)"):
        mix_pairs(bank[0], hard, pair, weight)
    with pytest.raises(ValueError, match=r"pair must be \(2, N, S\)"):
        mix_pairs(bank, hard, pair[0], weight)
    with pytest.raises(ValueError, match="N = 3 of hard"):
        mix_queries(x["q"], bank, hard, pair[0, :2], weight[:2])
    with pytest.raises(ValueError, match="index and weight"):
        mix_queries(x["q"], bank, hard, pair[0, :, :2], weight)
    with pytest.raises(ValueError, match=r"q must be \(N, D\)"):
        mix_queries(x["q"][:, :3], bank, hard, pair[0], weight)
    with pytest.raises(ValueError, match="q and k must be matrices"):
        extrapolate_positives(x["q"], x["q"][:2], 1.5)
    with pytest.raises(ValueError, match=r"lam must be a scalar.*\(N, D\) = \(3, 6\).*\(3, 1\)"):
        extrapolate_positives(x["q"], x["q"], torch.ones(3))
    with pytest.raises(ValueError, match="mu must be a scalar"):
        interpolate_negatives(bank, torch.arange(9), torch.ones(2, 9, 6))
    with pytest.raises(ValueError, match=r"permutation \(K,\)"):
        interpolate_negatives(bank, torch.arange(3), 0.5)


def test_gradients_by_finite_differences() -> None:
    x = random_inputs()
    q, k, bank = x["q"].requires_grad_(), x["bank"][:3].requires_grad_(), x["bank"].clone()
    lam = torch.tensor(1.4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: extrapolate_positives(a, b, lam), (q, k))
    bank.requires_grad_()
    order = torch.arange(9).flip(0)
    assert torch.autograd.gradcheck(lambda n: interpolate_negatives(n, order, lam - 1), bank)
