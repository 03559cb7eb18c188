import math

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import mean_cosines, nt_xent, nt_xent_per_anchor, unit_rows


def pair(n: int, d: int = 8, *, seed: int = 0, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return z1.to(dtype), z2.to(dtype)


def slow_nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> list[float]:
    """Equation 1 of the paper, one scalar at a time: the loss of each of the 2N anchors."""
    z = [row.tolist() for row in torch.cat([z1, z2])]

    def cosine(a: list[float], b: list[float]) -> float:
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))

    losses = []
    for i in range(len(z)):
        positive = (i + len(z1)) % len(z)
        denominator = 0.0
        for j in range(len(z)):
            if j != i:
                denominator += math.exp(cosine(z[i], z[j]) / temperature)
        losses.append(-cosine(z[i], z[positive]) / temperature + math.log(denominator))
    return losses


# --- values and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    oracle.case_names("foundation", "ntxent.") + oracle.case_names("foundation", "debiased."),
)
def test_equals_published_code_in_value_and_gradient(name: str) -> None:
    # The debiased case has tau_plus = 0, where Chuang et al.'s loss is NT-Xent.
    case = oracle.case("foundation", name)
    z1, z2 = (case.inputs[k].requires_grad_() for k in ("z1", "z2"))
    directions = 2 if "simclr_official" in name else 1  # their code sums, the mean is ours
    loss = directions * nt_xent(z1, z2, temperature=case.params["temperature"])
    loss.backward()
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], **close)
    torch.testing.assert_close(z1.grad, case.outputs["grad_z1"], **close)
    torch.testing.assert_close(z2.grad, case.outputs["grad_z2"], **close)


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 3.0])
def test_equals_the_double_loop(n: int, temperature: float) -> None:
    z1, z2 = pair(n, seed=n)
    slow = torch.tensor(slow_nt_xent(z1, z2, temperature), dtype=torch.float64)
    fast = nt_xent_per_anchor(z1, z2, z1, z2, temperature=temperature, offset=0)
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        nt_xent(z1, z2, temperature=temperature), slow.mean(), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("rows", "offset"), [(2, 0), (2, 2), (3, 3), (1, 5)])
def test_local_anchors_are_rows_of_the_whole(rows: int, offset: int) -> None:
    z1, z2 = pair(6)
    whole = nt_xent_per_anchor(z1, z2, z1, z2, temperature=0.2, offset=0).unflatten(0, (2, 6))
    mine = slice(offset, offset + rows)
    part = nt_xent_per_anchor(z1[mine], z2[mine], z1, z2, temperature=0.2, offset=offset)
    torch.testing.assert_close(part.unflatten(0, (2, rows)), whole[:, mine], rtol=1e-12, atol=0)


def test_gradcheck() -> None:
    z1, z2 = (z.requires_grad_() for z in pair(4, 5))

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return nt_xent(a, b, temperature=0.3)

    def block(a: Tensor, b: Tensor, all1: Tensor, all2: Tensor) -> Tensor:
        return nt_xent_per_anchor(a, b, all1, all2, temperature=0.3, offset=1)

    # The mask is written behind autograd's back, so the second derivative is checked too.
    assert torch.autograd.gradcheck(loss, (z1, z2))
    assert torch.autograd.gradgradcheck(loss, (z1, z2))
    local = [z[1:3].detach().clone().requires_grad_() for z in (z1, z2)]
    assert torch.autograd.gradcheck(block, (*local, z1, z2))


# --- what the formula promises --------------------------------------------------------------------


def test_symmetric_in_the_views() -> None:
    z1, z2 = pair(9)
    torch.testing.assert_close(
        nt_xent(z1, z2, temperature=0.2), nt_xent(z2, z1, temperature=0.2), rtol=1e-13, atol=0
    )


def test_invariances() -> None:
    z1, z2 = pair(9)
    reference = nt_xent(z1, z2, temperature=0.2)
    generator = torch.Generator().manual_seed(1)
    scale = torch.rand(9, 1, generator=generator, dtype=torch.float64) * 10 + 0.01
    order = torch.randperm(9, generator=generator)
    orthogonal = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64))[0]
    for a, b in (
        (z1 * scale, z2),
        (z1, z2 * scale),
        (z1[order], z2[order]),
        (z1 @ orthogonal, z2 @ orthogonal),
    ):
        torch.testing.assert_close(nt_xent(a, b, temperature=0.2), reference, rtol=1e-12, atol=0)
    # and what must not leave it alone
    assert not torch.isclose(nt_xent(z1[order], z2, temperature=0.2), reference, rtol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 16, 100])
def test_equal_embeddings_and_large_temperature(n: int) -> None:
    limit = torch.tensor(math.log(2 * n - 1), dtype=torch.float64)
    equal = torch.ones(n, 4, dtype=torch.float64)
    torch.testing.assert_close(nt_xent(equal, 3 * equal, temperature=0.07), limit)
    torch.testing.assert_close(nt_xent(*pair(n), temperature=1e9), limit, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_image_has_loss_and_gradient_zero(dtype: torch.dtype) -> None:
    z1, z2 = (z.requires_grad_() for z in pair(1, dtype=dtype))
    loss = nt_xent(z1, z2, temperature=0.1)
    loss.backward()
    assert loss.item() == 0
    assert z1.grad is not None and z1.grad.abs().max() == 0


def test_gradient_is_orthogonal_to_its_embedding() -> None:
    z1, z2 = (z.requires_grad_() for z in pair(9))
    nt_xent(z1, z2, temperature=0.2).backward()
    for z in (z1, z2):
        assert z.grad is not None and z.grad.abs().max() > 1e-3
        assert torch.linalg.vecdot(z.detach(), z.grad).abs().max() < 1e-15


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_are_widened(dtype: torch.dtype) -> None:
    z1, z2 = (z.requires_grad_() for z in pair(32, 16, dtype=dtype))
    loss = nt_xent(z1, z2, temperature=0.05)
    loss.backward()
    exact = nt_xent(z1.detach().double(), z2.detach().double(), temperature=0.05)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.detach().double(), exact, rtol=1e-6, atol=0)
    assert z1.grad is not None and z1.grad.dtype == dtype and z1.grad.isfinite().all()


def test_autocast_does_not_touch_the_loss() -> None:
    z1, z2 = pair(32, 16, dtype=torch.float32)
    outside = nt_xent(z1, z2, temperature=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = nt_xent(z1, z2, temperature=0.05)
        cosines = mean_cosines(z1, z2, z1, z2, offset=0)
    assert torch.equal(outside, inside)
    assert [c.dtype for c in cosines] == [torch.float32] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e4, 1e-4])
def test_size_of_the_embeddings_does_not_matter(scale: float, dtype: torch.dtype) -> None:
    z1, z2 = (z.clamp(-3, 3) for z in pair(16, 16))
    scaled = [(z * scale).to(dtype) for z in (z1, z2)]
    loss = nt_xent(*scaled, temperature=0.1)
    # Against the same rounded numbers, so that only the loss's own arithmetic is judged.
    exact = nt_xent(*(z.double() for z in scaled), temperature=0.1)
    torch.testing.assert_close(loss.double(), exact, rtol=1e-6, atol=0)


def test_small_temperature_does_not_overflow() -> None:
    z1, z2 = (z.requires_grad_() for z in pair(16, dtype=torch.float32))
    loss = nt_xent(z1, z2, temperature=1e-3)
    loss.backward()
    assert loss.isfinite() and z1.grad is not None and z1.grad.isfinite().all()


def test_zero_rows_stay_finite() -> None:
    zero = torch.zeros(4, 8)
    torch.testing.assert_close(nt_xent(zero, zero, temperature=0.1).item(), math.log(7))
    assert unit_rows(zero).abs().max() == 0


def test_unit_rows() -> None:
    z, _ = pair(5, dtype=torch.bfloat16)
    assert unit_rows(z).dtype == torch.float32
    torch.testing.assert_close(unit_rows(z).norm(dim=1), torch.ones(5))
    assert unit_rows(z.double()).dtype == torch.float64


# --- similarities to watch ------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "offset"), [(6, 0), (2, 2), (1, 5)])
def test_mean_cosines_equal_the_double_loop(rows: int, offset: int) -> None:
    z1, z2 = pair(6)
    z1[offset] = 0  # a dead row has cosine 0 with everything, itself included
    cosines = torch.nn.functional.cosine_similarity
    positives, negatives = [], []
    for i in range(offset, offset + rows):
        for anchor, own, other in ((z1[i], z1, z2), (z2[i], z2, z1)):
            positives.append(cosines(anchor, other[i], dim=0))
            negatives += [cosines(anchor, own[j], dim=0) for j in range(6) if j != i]
            negatives += [cosines(anchor, other[j], dim=0) for j in range(6) if j != i]
    mine = slice(offset, offset + rows)
    positive, negative = mean_cosines(z1[mine], z2[mine], z1, z2, offset=offset)
    torch.testing.assert_close(positive, torch.stack(positives).mean())
    torch.testing.assert_close(negative, torch.stack(negatives).mean())


def test_mean_cosines_of_one_image() -> None:
    z, _ = pair(1)
    positive, negative = mean_cosines(z, 2 * z, z, 2 * z, offset=0)
    torch.testing.assert_close(positive.item(), 1.0)
    assert negative.item() == 0


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0, -0.1, math.inf, math.nan])
def test_temperature_is_checked(temperature: float) -> None:
    z1, z2 = pair(4)
    with pytest.raises(ValueError, match=f"temperature .* got {temperature}"):
        nt_xent(z1, z2, temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature .* got {temperature}"):
        nt_xent_per_anchor(z1, z2, z1, z2, temperature=temperature, offset=0)


@pytest.mark.parametrize(
    ("first", "second"), [((4, 8), (5, 8)), ((4, 8), (4, 9)), ((4,), (4,)), ((0, 8), (0, 8))]
)
def test_shapes_are_checked(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="z1 and z2 must be matrices") as error:
        nt_xent(torch.ones(first), torch.ones(second), temperature=0.1)
    assert str(first) in str(error.value) and str(second) in str(error.value)


def test_blocks_are_checked() -> None:
    z1, z2 = pair(4)
    for offset in (-1, 3):
        with pytest.raises(ValueError, match=f"offset .* got {offset}"):
            nt_xent_per_anchor(z1[:2], z2[:2], z1, z2, temperature=0.1, offset=offset)
    with pytest.raises(ValueError, match="all1 and all2"):
        nt_xent_per_anchor(z1, z2, z1, z2[:3], temperature=0.1, offset=0)
    with pytest.raises(ValueError, match="same embedding size, got 7 and 8"):
        mean_cosines(z1[:, :7], z2[:, :7], z1, z2, offset=0)
