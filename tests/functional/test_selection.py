import math

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import unit_rows
from sslkit.functional.selection import (
    ambiguous_log_weights,
    ascend_noise,
    false_negatives,
    gumbel_scores,
    hard_log_weights,
    hardest_mask,
)


def scores(n: int = 4, k: int = 9, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, k, generator=generator, dtype=torch.float64)


def some_mask(n: int = 4, k: int = 9) -> Tensor:
    return scores(n, k, seed=5) > -0.3


# --- published values -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", oracle.case_names("selection", "simans."))
def test_ambiguous_weights_are_the_authors(name: str) -> None:
    case = oracle.case("selection", name)
    weights = ambiguous_log_weights(
        case.inputs["neg_scores"][None],
        torch.tensor([case.params["pos_score"]], dtype=torch.float64),
        sharpness=case.params["a"],
        below=case.params["b"],
    ).exp()
    torch.testing.assert_close(weights[0], case.outputs["weights"], rtol=1e-12, atol=1e-15)


def test_false_negatives_are_the_authors() -> None:
    case = oracle.case("selection", "gist.small.all_guide")
    h2, h3 = unit_rows(case.inputs["h2"]), unit_rows(case.inputs["h3"])
    q, p, n = unit_rows(case.inputs["guide_q"]), h2, h3.roll(1, 0)
    blocks = torch.cat([a @ b.T for a, b in ((q, p), (q, n), (q, q), (p, p))], dim=1)
    # The positive's similarity is an entry of a block, as in the bank of a plug-in.
    own = blocks.diagonal()
    found = false_negatives(blocks, own)
    assert torch.equal(found, case.outputs["masked"])
    assert 0 < found.sum() < found.numel()
    assert not found.diagonal().any()


@pytest.mark.parametrize("name", oracle.case_names("selection", "dclr."))
def test_the_ascent_is_the_authors(name: str) -> None:
    case = oracle.case("selection", name)
    z1, z2 = unit_rows(case.inputs["z1"]), unit_rows(case.inputs["z2"])

    def loss(noise: Tensor) -> Tensor:
        logits = torch.cat([z1 @ z2.T, z1 @ unit_rows(noise).T], dim=1) / case.params["temp"]
        return torch.nn.functional.cross_entropy(logits, torch.arange(len(z1)))

    start = case.inputs["noise0"].double()
    found = ascend_noise(start, loss, steps=case.params["pgd"], step_size=case.params["pgd_step"])
    torch.testing.assert_close(found, case.outputs["noise"], rtol=1e-12, atol=1e-14)
    # Further than rounding: 4 steps of 1e-3.
    assert (found - start).norm(dim=1).min() > 3.9e-3


@pytest.mark.parametrize("name", oracle.case_names("selection", "dclr."))
def test_the_threshold_is_that_of_the_authors(name: str) -> None:
    case = oracle.case("selection", name)
    guide = [unit_rows(case.inputs[key]) for key in ("guide1", "guide2")]
    similarity = guide[0] @ guide[1].T
    found = false_negatives(
        similarity, similarity.diagonal(), margin=None, threshold=case.params["phi"]
    )
    found.fill_diagonal_(False)  # the positive, which is not among the negatives
    weights = case.outputs["weights"][:, : len(similarity)]
    assert torch.equal(found, weights == 0)
    assert found.any() == (case.params["phi"] < 0.5)


# --- slow twins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 4, 9])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("counted", [False, True])
def test_the_hardest_one_by_one(keep: int, masked: bool, counted: bool) -> None:
    s = scores()
    mask = some_mask() if masked else None
    counts = [min(c, keep) for c in (1, 2, 5, 9)]
    found = hardest_mask(
        s, keep, count=torch.tensor(counts).float() if counted else None, mask=mask
    )
    for i in range(len(s)):
        among = [j for j in range(s.shape[1]) if mask is None or mask[i, j]]
        among.sort(key=lambda j: -float(s[i, j]))
        expected = among[: counts[i] if counted else keep]
        assert found[i].nonzero().flatten().tolist() == sorted(expected)


def test_equal_scores_still_make_up_the_number() -> None:
    assert hardest_mask(torch.zeros(3, 8), 5).sum(1).tolist() == [5, 5, 5]


@pytest.mark.parametrize("keep", [0, 10])
def test_a_number_outside_the_candidates_is_refused(keep: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and K = 9, got {keep}"):
        hardest_mask(scores(), keep)


@pytest.mark.parametrize(
    ("margin", "threshold"), [(0.0, None), (0.3, None), (None, 0.2), (0.1, 0.5)]
)
def test_false_negatives_one_by_one(margin: float | None, threshold: float | None) -> None:
    g, own = scores().clamp(-1, 1), torch.tensor([0.1, 0.9, -0.2, 0.5], dtype=torch.float64)
    found = false_negatives(g, own, margin=margin, threshold=threshold)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            relative = margin is not None and float(g[i, j]) > float(own[i]) - margin
            absolute = threshold is not None and float(g[i, j]) > threshold
            assert bool(found[i, j]) == (relative or absolute)


def test_both_bounds_are_strict() -> None:
    g, own = torch.tensor([[0.5, 0.25, 0.75]]), torch.tensor([0.5])
    assert false_negatives(g, own).tolist() == [[False, False, True]]
    assert false_negatives(g, own, margin=0.25).tolist() == [[True, False, True]]
    assert false_negatives(g, own, margin=None, threshold=0.5).tolist() == [[False, False, True]]


@pytest.mark.parametrize("beta", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("masked", [False, True])
def test_hard_weights_one_by_one(beta: float, masked: bool) -> None:
    logits = scores()
    mask = some_mask() if masked else torch.ones_like(logits, dtype=torch.bool)
    count = mask.sum(1).double()
    found = hard_log_weights(logits, beta=beta, count=count, mask=mask if masked else None).exp()
    for i in range(len(logits)):
        powers = [math.exp(float(x)) ** beta for x in logits[i][mask[i]]]
        mean = sum(powers) / len(powers)
        expected = torch.tensor([p / mean for p in powers], dtype=torch.float64)
        torch.testing.assert_close(found[i][mask[i]], expected, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(expected.mean().item(), 1.0)


def test_hard_weights_let_gradient_through() -> None:
    logits = scores(2, 5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: hard_log_weights(x, beta=1.5, count=5), (logits,), raise_exception=True
    )


def test_an_anchor_without_negatives_has_finite_weights_and_gradients() -> None:
    logits = scores(2, 5).requires_grad_()
    mask = torch.tensor([[False] * 5, [True] * 5])
    weights = hard_log_weights(
        logits, beta=2.0, count=torch.tensor([0.0, 5.0], dtype=torch.float64), mask=mask
    )
    assert weights.isfinite().all()
    logits_and_weights = (logits + weights).masked_fill(~mask, -torch.inf)
    torch.logsumexp(logits_and_weights, dim=1)[1].backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_a_large_beta_does_not_leave_float32() -> None:
    logits = torch.tensor([[100.0, 99.0, -100.0, -torch.inf]])
    weights = hard_log_weights(logits, beta=50.0, count=3).exp()
    torch.testing.assert_close(weights, torch.tensor([[3.0, 0.0, 0.0, 0.0]]))


# --- sampling -------------------------------------------------------------------------------------


def test_the_largest_gumbel_scores_are_draws_without_replacement() -> None:
    # The chance of {i, j} as the two draws of three, from the definition.
    w = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    draws = 40_000
    uniform = torch.rand(draws, 3, generator=torch.Generator().manual_seed(0)).double()
    chosen = hardest_mask(gumbel_scores(w.log().expand(draws, 3), uniform), 2)
    assert (chosen.sum(1) == 2).all()
    for out in range(3):
        i, j = (k for k in range(3) if k != out)
        p = w[i] * w[j] / (1 - w[i]) + w[j] * w[i] / (1 - w[j])
        share = (~chosen[:, out]).double().mean()
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / draws)


def test_a_uniform_draw_of_zero_is_never_a_number_too_many() -> None:
    found = gumbel_scores(torch.zeros(1, 3), torch.tensor([[0.0, 0.5, 0.25]]))
    assert found[0, 0] == -torch.inf and found[0, 1] > found[0, 2] > -torch.inf


# --- ascent ---------------------------------------------------------------------------------------


def test_the_ascent_of_a_tiny_gradient_has_steps_of_full_length() -> None:
    noise = torch.ones(2, 3)
    found = ascend_noise(noise, lambda x: 1e-30 * x.sum(), steps=2, step_size=0.5)
    torch.testing.assert_close((found - noise).norm(dim=1), torch.ones(2))


def test_noise_without_a_gradient_stays_and_nothing_is_left_of_the_graph() -> None:
    noise = torch.ones(2, 3)
    found = ascend_noise(noise, lambda x: (x[0] ** 2).sum(), steps=3, step_size=0.1)
    assert torch.equal(found[1], noise[1]) and (found[0] > 1).all()
    assert not found.requires_grad and not noise.requires_grad
    assert torch.equal(noise, torch.ones(2, 3))
    with torch.no_grad():
        inside = ascend_noise(noise, lambda x: (x[0] ** 2).sum(), steps=3, step_size=0.1)
    assert torch.equal(inside, found)
