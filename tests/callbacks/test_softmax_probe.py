import pytest
import torch
from gloo import run_two_ranks
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from sslkit.callbacks.softmax_probe import SoftmaxProbes


def rows(seed: int = 0, count: int = 64, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, width, generator=g)
    return 5 + x * torch.arange(1, width + 1), (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()


def probes(*widths: int, lrs=(0.1,)) -> SoftmaxProbes:
    """Of one layer of 6 features and 3 classes, where nothing else is said."""
    return SoftmaxProbes(widths or (6,), 3, lrs=lrs)


def test_the_first_step_is_the_closed_form_gradient():
    x, y = rows()
    probe = probes()
    loss = probe.step([x], y)
    scaled = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5 * probe.variance.mean()).sqrt()
    error = torch.full((64, 3), 1 / 3) - F.one_hot(y, 3)
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item())
    torch.testing.assert_close(
        probe.weight0, -0.1 * 128 / 6 * error.T @ scaled / 64, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(probe.bias[:, 0], -0.1 * error.mean(0))


def test_statistics_are_those_of_all_rows_over_the_first_steps():
    batches = [rows(seed)[0] * (1 + seed) for seed in range(5)]
    probe = probes()
    for x in batches:
        probe.step([x], torch.zeros(64, dtype=torch.long))
    together = torch.cat(batches)
    torch.testing.assert_close(probe.mean, together.mean(0))
    torch.testing.assert_close(probe.variance, together.var(0, unbiased=False))


def test_many_steps_approach_the_best_linear_classifier():
    x, y = rows(count=256)
    probe = probes()
    for _ in range(200):
        probe.step([x], y)
    best = LogisticRegression(C=1e3, max_iter=1000).fit(x.numpy(), y.numpy())
    accuracy = (probe([x])[0].argmax(0) == y).float().mean().item()
    assert accuracy >= best.score(x.numpy(), y.numpy()) - 0.02


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_scale_of_the_features_does_not_matter(scale):
    x, y = rows()
    one, other = probes(), probes()
    for _ in range(5):
        one.step([x], y)
        other.step([x * scale], y)
    torch.testing.assert_close(one.weight0, other.weight0, rtol=1e-3, atol=1e-4)


def test_a_collapsed_encoder_keeps_it_finite():
    probe = probes()
    x = torch.full((64, 6), 0.7)
    for step in range(50):
        loss = probe.step([x + 1e-7 * step], rows()[1])
    assert loss.isfinite() and loss < 1.2
    assert probe([x]).isfinite().all()


def test_computes_in_float32_under_autocast():
    x, y = rows()
    plain, mixed = probes(), probes()
    plain.step([x], y)
    with torch.autocast("cpu", torch.bfloat16):
        mixed.step([x], y)
        scores = mixed([x])
    assert scores.dtype == torch.float32
    assert torch.equal(plain.weight0, mixed.weight0)


def test_unlabelled_rows_count_in_the_statistics_only():
    x, y = rows()
    y[32:] = -1
    probe, other = probes(), probes()
    loss = probe.step([x], y)
    # The same mean gradient, whatever stands in the rows that are left out.
    assert loss.item() == pytest.approx(other.step([torch.cat([x[:32], x[32:].flip(0)])], y).item())
    torch.testing.assert_close(probe.weight0, other.weight0)
    torch.testing.assert_close(probe.mean, x.mean(0))
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item())


@pytest.mark.parametrize("labelled", [64, 40])
def test_every_head_of_every_layer_learns_as_if_alone(labelled):
    lrs = [0.02, 0.1, 0.3]
    together = probes(6, 4, lrs=lrs)
    alone = [[probes(width, lrs=[lr]) for lr in lrs] for width in (6, 4)]
    for seed in range(6):
        x, y = rows(seed)
        y[labelled:] = -1
        layers = [x, 3 * x[:, :4] - 1]
        losses = together.step(layers, y)
        pairs = [
            (layer, head) for layer, heads in zip(layers, alone, strict=True) for head in heads
        ]
        expected = [head.step([layer], y) for layer, head in pairs]
        torch.testing.assert_close(losses, torch.cat(expected))
    torch.testing.assert_close(together(layers), torch.cat([head([x]) for x, head in pairs]))
    for number, heads in enumerate(alone):
        weights = torch.cat([head.weight0 for head in heads])
        torch.testing.assert_close(together.get_buffer(f"weight{number}"), weights)


def test_steps_are_those_of_torchs_sgd():
    probe = probes(lrs=[0.1])
    weight, bias = torch.zeros(3, 6, requires_grad=True), torch.zeros(3, requires_grad=True)
    sgd = torch.optim.SGD(
        [{"params": [weight], "lr": 0.1 * 128 / 6}, {"params": [bias], "lr": 0.1}], momentum=0.9
    )
    for seed in range(8):
        x, y = rows(seed)
        y[50:] = -1
        probe.step([x], y)
        floor = 1e-5 * probe.variance.mean() + 1e-10 * probe.mean.square().mean() + 1e-24
        scaled = (x - probe.mean) * torch.rsqrt(probe.variance + floor)
        loss = F.cross_entropy(F.linear(scaled, weight, bias), y, ignore_index=-1)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    torch.testing.assert_close(probe.weight0, weight.detach())
    torch.testing.assert_close(probe.bias[:, 0], bias.detach())


def test_state_of_other_heads_is_refused():
    probe = probes(6, 4, lrs=[0.1, 0.2])
    probe.step([rows()[0], rows()[0][:, :4]], rows()[1])
    again = probes(6, 4, lrs=[0.1, 0.2])
    again.restore(probe.state())
    assert all(torch.equal(x, again.state_dict()[n]) for n, x in probe.state_dict().items())
    for other in (probes(6, lrs=[0.1, 0.2]), probes(6, 4), probes(6, 4, lrs=[0.1, 0.3])):
        with pytest.raises(
            ValueError, match=r"3 classes and 6, 4 features, learning rates 0\.1, 0\.2"
        ):
            other.restore(probe.state())


def test_a_batch_without_labels_changes_no_weight():
    probe = probes()
    loss = probe.step([rows()[0]], torch.full((64,), -1))
    assert loss.item() == 0
    assert not probe.weight0.any()


def step_on(rank: int) -> dict:
    """Three steps with each rank's half; the second rank has fewer labels."""
    probe = probes()
    losses = []
    for seed in range(3):
        x, y = rows(seed)
        y[40:] = -1
        half = slice(32 * rank, 32 * (rank + 1))
        losses.append(probe.step([x[half]], y[half]))
    return {**probe.state_dict(), "loss": torch.stack(losses)}


def test_two_ranks_equal_one_process_on_the_joined_batch(tmp_path):
    alone = probes()
    losses = []
    for seed in range(3):
        x, y = rows(seed)
        y[40:] = -1
        losses.append(alone.step([x], y))
    first, second = run_two_ranks(step_on, tmp_path)
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((first["loss"] + second["loss"]) / 2, torch.stack(losses))
