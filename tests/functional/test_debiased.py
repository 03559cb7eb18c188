import math

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import debiased_nce, debiased_nce_per_anchor, nt_xent


def pair(n: int, d: int = 8, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return z1, z1 + z2


def slow(
    z1: Tensor, z2: Tensor, temperature: float, tau_plus: float, beta: float
) -> tuple[list[float], list[float], list[bool]]:
    """The formula, one anchor and one negative at a time: losses, Ng, and whether it is bounded."""
    n, z = len(z1), torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    cosines = (z @ z.T).tolist()
    losses, sums, bounded = [], [], []
    for i in range(2 * n):
        positive = math.exp(cosines[i][(i + n) % (2 * n)] / temperature)
        e = [math.exp(cosines[i][j] / temperature) for j in range(2 * n) if j % n != i % n]
        mean = sum(x**beta for x in e) / len(e)
        weighted = sum(x**beta / mean * x for x in e)
        ng = (weighted - tau_plus * len(e) * positive) / (1 - tau_plus)
        bound = len(e) * math.exp(-1 / temperature)
        sums.append(max(ng, bound))
        bounded.append(ng < bound)
        losses.append(-math.log(positive / (positive + sums[-1])))
    return losses, sums, bounded


# --- values and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    oracle.case_names("objectives", "debiased.") + oracle.case_names("objectives", "hcl."),
)
def test_equals_published_code_in_value_and_gradient(name: str) -> None:
    case = oracle.case("objectives", name)
    z1, z2 = (case.inputs[k].requires_grad_() for k in ("z1", "z2"))
    # The authors' switches to plain NT-Xent, which ignore both corrections.
    plain = case.params.get("debiased") is False or case.params.get("estimator") == "easy"
    loss = debiased_nce(
        z1,
        z2,
        temperature=case.params["temperature"],
        tau_plus=0 if plain else case.params["tau_plus"],
        beta=0 if plain else case.params.get("beta", 0.0),
    )
    loss.backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], **close)
    torch.testing.assert_close(z1.grad, case.outputs["grad_z1"], **close)
    torch.testing.assert_close(z2.grad, case.outputs["grad_z2"], **close)


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("tau_plus", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_equals_the_double_loop(temperature: float, tau_plus: float, beta: float) -> None:
    z1, z2 = pair(5)
    losses, _, bounded = slow(z1, z2, temperature, tau_plus, beta)
    found, at_bound = debiased_nce_per_anchor(
        z1, z2, z1, z2, temperature=temperature, offset=0, tau_plus=tau_plus, beta=beta
    )
    torch.testing.assert_close(
        found, torch.tensor(losses, dtype=torch.float64), rtol=1e-11, atol=1e-13
    )
    assert at_bound.tolist() == bounded
    mean = debiased_nce(z1, z2, temperature=temperature, tau_plus=tau_plus, beta=beta)
    torch.testing.assert_close(mean, found.mean())


@pytest.mark.parametrize(("rows", "offset"), [(2, 0), (2, 2), (1, 5)])
def test_local_anchors_are_rows_of_the_whole(rows: int, offset: int) -> None:
    z1, z2 = pair(6)
    options = {"temperature": 0.4, "tau_plus": 0.2, "beta": 0.5}
    whole = debiased_nce_per_anchor(z1, z2, z1, z2, offset=0, **options)
    mine = slice(offset, offset + rows)
    part = debiased_nce_per_anchor(z1[mine], z2[mine], z1, z2, offset=offset, **options)
    for of_part, of_whole in zip(part, whole, strict=True):
        expected = of_whole.unflatten(0, (2, 6))[:, mine]
        torch.testing.assert_close(of_part.unflatten(0, (2, rows)), expected)


# --- what the formula promises --------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_without_corrections_it_is_nt_xent_and_nothing_is_bounded(temperature: float) -> None:
    z1, z2 = pair(9)
    losses, at_bound = debiased_nce_per_anchor(
        z1, z2, z1, z2, temperature=temperature, offset=0, tau_plus=0, beta=0
    )
    torch.testing.assert_close(losses.mean(), nt_xent(z1, z2, temperature=temperature))
    assert not at_bound.any()


def test_more_correction_is_less_loss_where_negatives_are_below_the_positive() -> None:
    z1, _ = pair(9)
    z2 = z1 + 0.01  # every positive beats the mean of its negatives
    losses = torch.stack(
        [
            debiased_nce_per_anchor(
                z1, z2, z1, z2, temperature=0.5, offset=0, tau_plus=tau_plus, beta=1.0
            )[0]
            for tau_plus in (0, 0.02, 0.05, 0.1, 0.3, 0.9)
        ]
    )
    assert (losses.diff(dim=0) <= 1e-15).all()


def test_the_sum_of_negatives_stays_above_its_bound() -> None:
    z1, z2 = pair(9)
    losses, at_bound = debiased_nce_per_anchor(
        z1, z2, z1, z2, temperature=0.2, offset=0, tau_plus=0.1
    )
    positive = torch.cosine_similarity(z1, z2).repeat(2) / 0.2
    ng = torch.expm1(losses) * positive.exp()
    bound = 16 * math.exp(-1 / 0.2)
    assert 0 < at_bound.sum() < 18
    assert (ng >= bound * (1 - 1e-9)).all()
    torch.testing.assert_close(ng[at_bound], torch.full_like(ng[at_bound], bound))


@pytest.mark.parametrize("beta", [50.0, 1e6])
def test_a_large_beta_leaves_the_hardest_negative(beta: float) -> None:
    z1, z2 = pair(6)
    loss, _ = debiased_nce_per_anchor(
        z1.float(), z2.float(), z1.float(), z2.float(), temperature=0.1, offset=0, tau_plus=0,
        beta=beta,
    )  # fmt: skip
    z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    scores = z @ z.T / 0.1
    i = torch.arange(6)
    positive = torch.cat([scores[i, i + 6], scores[i + 6, i]])
    for rows in (scores[:6], scores[6:]):
        rows[i, i] = rows[i, i + 6] = -torch.inf
    hardest = math.log(10) + scores.amax(dim=1)
    expected = torch.log1p(torch.exp(hardest - positive))
    torch.testing.assert_close(loss.double(), expected, rtol=2e-2 if beta == 50 else 1e-5, atol=0)


def test_anchors_at_the_bound_get_no_gradient_from_their_negatives() -> None:
    # The clamped fraction is to be watched for this: a small temperature bounds everyone.
    z1, _ = pair(32)
    z2 = z1 + 0.1
    warm, cold = (
        debiased_nce_per_anchor(z1, z2, z1, z2, temperature=t, offset=0, tau_plus=0.1)[1]
        for t in (0.5, 0.1)
    )
    assert not warm.any() and cold.all()
    others = z1.clone().requires_grad_()
    losses, _ = debiased_nce_per_anchor(
        z1[:2], z2[:2], others, z2, temperature=0.1, offset=0, tau_plus=0.1
    )
    losses.sum().backward()
    assert others.grad is not None and others.grad[2:].abs().max() == 0


def test_gradient_flows_through_the_weights() -> None:
    z1, z2 = pair(5)
    z1.requires_grad_()
    gradient = torch.autograd.grad(debiased_nce(z1, z2, temperature=0.5, tau_plus=0, beta=2.0), z1)[
        0
    ]
    step = 1e-6 * torch.randn(5, 8, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        up, down = (
            debiased_nce(z1 + sign * step, z2, temperature=0.5, tau_plus=0, beta=2.0)
            for sign in (1, -1)
        )
    assert ((up - down) / 2).item() == pytest.approx((gradient * step).sum().item(), rel=1e-6)


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau_plus", [-0.1, 1.0, 2.0, math.nan])
def test_tau_plus_is_checked(tau_plus: float) -> None:
    z1, z2 = pair(4)
    with pytest.raises(ValueError, match=f"tau_plus .* got {tau_plus}"):
        debiased_nce(z1, z2, temperature=0.5, tau_plus=tau_plus)


@pytest.mark.parametrize("beta", [-1.0, math.inf, math.nan])
def test_beta_is_checked(beta: float) -> None:
    z1, z2 = pair(4)
    with pytest.raises(ValueError, match=f"beta .* got {beta}"):
        debiased_nce(z1, z2, temperature=0.5, tau_plus=0.1, beta=beta)
