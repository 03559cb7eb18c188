import pytest
import torch
from gloo import run_two_ranks
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from sslkit.callbacks.softmax_probe import SoftmaxProbe


def rows(seed: int = 0, count: int = 64, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, width, generator=g)
    return 5 + x * torch.arange(1, width + 1), (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()


def test_the_first_step_is_the_closed_form_gradient():
    x, y = rows()
    probe = SoftmaxProbe(6, 3, lr=0.1)
    loss = probe.step(x, y)
    scaled = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5 * probe.variance.mean()).sqrt()
    error = torch.full((64, 3), 1 / 3) - F.one_hot(y, 3)
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item())
    torch.testing.assert_close(
        probe.weight.detach(), -0.1 * 128 / 6 * error.T @ scaled / 64, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(probe.bias.detach(), -0.1 * error.mean(0))


def test_statistics_are_those_of_all_rows_over_the_first_steps():
    batches = [rows(seed)[0] * (1 + seed) for seed in range(5)]
    probe = SoftmaxProbe(6, 3, lr=0.1)
    for x in batches:
        probe.step(x, torch.zeros(64, dtype=torch.long))
    together = torch.cat(batches)
    torch.testing.assert_close(probe.mean, together.mean(0))
    torch.testing.assert_close(probe.variance, together.var(0, unbiased=False))


def test_many_steps_approach_the_best_linear_classifier():
    x, y = rows(count=256)
    probe = SoftmaxProbe(6, 3, lr=0.1)
    for _ in range(200):
        probe.step(x, y)
    best = LogisticRegression(C=1e3, max_iter=1000).fit(x.numpy(), y.numpy())
    accuracy = (probe(x).argmax(1) == y).float().mean().item()
    assert accuracy >= best.score(x.numpy(), y.numpy()) - 0.02


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_scale_of_the_features_does_not_matter(scale):
    x, y = rows()
    one, other = SoftmaxProbe(6, 3, lr=0.1), SoftmaxProbe(6, 3, lr=0.1)
    for _ in range(5):
        one.step(x, y)
        other.step(x * scale, y)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-3, atol=1e-4)


def test_a_collapsed_encoder_keeps_it_finite():
    probe = SoftmaxProbe(6, 3, lr=0.1)
    x = torch.full((64, 6), 0.7)
    for step in range(50):
        loss = probe.step(x + 1e-7 * step, rows()[1])
    assert loss.isfinite() and loss < 1.2
    assert probe(x).isfinite().all()


def test_computes_in_float32_under_autocast():
    x, y = rows()
    plain, mixed = SoftmaxProbe(6, 3, lr=0.1), SoftmaxProbe(6, 3, lr=0.1)
    plain.step(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        mixed.step(x, y)
        scores = mixed(x)
    assert scores.dtype == torch.float32
    assert torch.equal(plain.weight, mixed.weight)


def test_unlabelled_rows_count_in_the_statistics_only():
    x, y = rows()
    y[32:] = -1
    probe, other = SoftmaxProbe(6, 3, lr=0.1), SoftmaxProbe(6, 3, lr=0.1)
    loss = probe.step(x, y)
    # The same mean gradient, whatever stands in the rows that are left out.
    assert loss.item() == pytest.approx(other.step(torch.cat([x[:32], x[32:].flip(0)]), y).item())
    torch.testing.assert_close(probe.weight, other.weight)
    torch.testing.assert_close(probe.mean, x.mean(0))
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item())


def test_a_batch_without_labels_changes_no_weight():
    probe = SoftmaxProbe(6, 3, lr=0.1)
    loss = probe.step(rows()[0], torch.full((64,), -1))
    assert loss.item() == 0
    assert not probe.weight.any()


def step_on(rank: int) -> dict:
    """Three steps with each rank's half; the second rank has fewer labels."""
    probe = SoftmaxProbe(6, 3, lr=0.1)
    losses = []
    for seed in range(3):
        x, y = rows(seed)
        y[40:] = -1
        half = slice(32 * rank, 32 * (rank + 1))
        losses.append(probe.step(x[half], y[half]))
    return {**probe.state_dict(), "loss": torch.stack(losses)}


def test_two_ranks_equal_one_process_on_the_joined_batch(tmp_path):
    alone = SoftmaxProbe(6, 3, lr=0.1)
    losses = []
    for seed in range(3):
        x, y = rows(seed)
        y[40:] = -1
        losses.append(alone.step(x, y))
    first, second = run_two_ranks(step_on, tmp_path)
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((first["loss"] + second["loss"]) / 2, torch.stack(losses))
