import math

import pytest
import torch
from torch import Tensor

from sslkit.functional import normalized_mse_per_anchor, self_labelled_bce, self_labelled_mse


def pair(n: int = 10, d: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return a, a + b


def cosines(p: Tensor, z: Tensor) -> list[list[float]]:
    return [[torch.cosine_similarity(a, b, dim=0).item() for b in z] for a in p]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def test_mse_equals_the_double_loop() -> None:
    p, z = pair()
    found = self_labelled_mse(p, z, negative_weight=0.7)
    alike_pairs = 0
    for i, row in enumerate(cosines(p, z)):
        alike = [s for j, s in enumerate(row) if j == i or s >= 0.8]
        unlike = [s for j, s in enumerate(row) if j != i and s <= 0.2]
        alike_pairs += len(alike)
        expected = mean([2 - 2 * s for s in alike]) + 0.7 * mean([max(s, 0) for s in unlike])
        assert found[i].item() == pytest.approx(expected, rel=1e-12)
    assert alike_pairs > 12  # the thresholds do something here


def test_bce_equals_the_double_loop() -> None:
    p, z = pair()
    found = self_labelled_bce(p, z, temperature=0.2)
    for i, row in enumerate(cosines(p, z)):
        chance = [1 / (1 + math.exp(-s / 0.2)) for s in row]
        alike = [c for j, c in enumerate(chance) if j == i or c >= 0.8]
        unlike = [c for j, c in enumerate(chance) if j != i and c <= 0.2]
        expected = (
            mean([-math.log(c) for c in alike]) + mean([-math.log(1 - c) for c in unlike])
        ) / 2
        assert found[i].item() == pytest.approx(expected, rel=1e-11)


def test_without_alike_pairs_it_is_byol() -> None:
    p, z = pair()
    torch.testing.assert_close(
        self_labelled_mse(p, z, theta_positive=1.1), normalized_mse_per_anchor(p, z)
    )


@pytest.mark.parametrize("loss", [self_labelled_mse, self_labelled_bce])
def test_every_row_has_a_positive(loss) -> None:
    # The own target is alike even where it is opposite.
    p, _ = pair()
    one = p[:1].clone().requires_grad_()
    loss(one, -p[:1]).sum().backward()
    assert loss(one, -p[:1]).item() > 1
    two = p[:1] + torch.tensor([1.0, 0, 0])
    assert loss(two, -p[:1]).item() > loss(two, p[:1]).item()


@pytest.mark.parametrize("loss", [self_labelled_mse, self_labelled_bce])
def test_permuting_the_batch_permutes_the_losses(loss) -> None:
    p, z = pair()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(p[order], z[order]), loss(p, z)[order])


@pytest.mark.parametrize("loss", [self_labelled_mse, self_labelled_bce])
def test_local_predictions_are_rows_of_the_whole(loss) -> None:
    p, z = pair()
    torch.testing.assert_close(loss(p[4:7], z, offset=4), loss(p, z)[4:7])


@pytest.mark.parametrize("loss", [self_labelled_mse, self_labelled_bce])
def test_a_pair_between_the_thresholds_gives_no_gradient(loss) -> None:
    p, z = torch.eye(3).double()[:2].requires_grad_(), torch.eye(3).double()[:2]
    loss(p, z).sum().backward()
    own = p.detach().clone().requires_grad_()
    loss(own[:1], z[:1]).sum().backward()
    assert p.grad is not None and own.grad is not None
    torch.testing.assert_close(p.grad[0], own.grad[0])


@pytest.mark.parametrize("loss", [self_labelled_mse, self_labelled_bce])
def test_labels_and_targets_carry_no_gradient(loss) -> None:
    p, z = (x.requires_grad_() for x in pair())
    assert torch.autograd.gradcheck(lambda x: loss(x, z.detach()), p)
    of_p, of_z = torch.autograd.grad(loss(p, z).sum(), (p, z), allow_unused=True)
    assert of_p.abs().max() > 0 and of_z is None


def test_arguments_are_checked() -> None:
    p, z = pair()
    with pytest.raises(ValueError, match=r"theta_positive .* got 0.1 and 0.2"):
        self_labelled_mse(p, z, theta_positive=0.1)
    with pytest.raises(ValueError, match=r"negative_weight .* got -1"):
        self_labelled_mse(p, z, negative_weight=-1)
    with pytest.raises(ValueError, match=r"temperature .* got 0"):
        self_labelled_bce(p, z, temperature=0)
    with pytest.raises(ValueError, match=r"offset .* got 1"):
        self_labelled_bce(p, z, offset=1)
