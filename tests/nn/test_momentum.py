import io
from pathlib import Path

import oracle
import pytest
import torch
from gloo import WORLD, run_two_ranks
from torch import Tensor, nn

from sslkit.nn.momentum import MomentumBranch, momentum_at
from sslkit.nn.split_batch_norm import split_batch_norm


def online_network() -> list[nn.Module]:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    return [encoder, nn.Linear(4 * 2 * 2, 3)]


def moved(modules: list[nn.Module]) -> list[nn.Module]:
    """Online modules after some training: other weights, other running statistics."""
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.data = tensor + 1
    return modules


def images(n: int = 6) -> Tensor:
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def values(module: nn.Module) -> dict[str, Tensor]:
    tensors = (*module.named_parameters(), *module.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in tensors}


# --- the branch -----------------------------------------------------------------------------------


def test_it_starts_as_a_copy_that_is_nobody_elses() -> None:
    online = online_network()
    branch = MomentumBranch(online)
    expected = online[1](online[0](images()))
    torch.testing.assert_close(branch(images()), expected, rtol=0, atol=0)
    before = values(branch)
    moved(online)
    for name, value in values(branch).items():
        assert torch.equal(value, before[name]), name


def test_no_gradient_comes_out_of_it_or_goes_into_it() -> None:
    branch = MomentumBranch(online_network())
    out = branch(images().requires_grad_())
    assert not out.requires_grad
    assert not any(parameter.requires_grad for parameter in branch.parameters())


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.996, 1.0])
def test_parameters_follow_and_batch_statistics_do_not(momentum: float) -> None:
    online = online_network()
    branch = MomentumBranch(online)
    before = values(branch)
    moved(online)
    branch.follow(online, momentum)
    learned = dict(branch.named_parameters())
    for name, value in values(branch).items():
        theirs = before[name] + 1
        target = momentum * before[name] + (1 - momentum) * theirs
        exact = momentum in (0.0, 1.0)
        if name not in learned:
            assert torch.equal(value, before[name]), name
        elif exact:
            assert torch.equal(value, theirs if momentum == 0 else before[name]), name
        else:
            torch.testing.assert_close(value, target)


def test_its_batch_statistics_are_those_of_its_own_forward_passes() -> None:
    online = online_network()
    branch = MomentumBranch(online)
    branch(images())
    statistics = {n: b for n, b in branch.named_buffers() if n.endswith("running_mean")}
    (mean,) = statistics.values()
    expected = 0.1 * online[0][0](images()).mean((0, 2, 3))  # type: ignore[index]
    torch.testing.assert_close(mean, expected)
    branch.eval()(images() + 1)
    torch.testing.assert_close(mean, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_follows_in_float32_when_the_network_is_trained_in_16_bits(dtype: torch.dtype) -> None:
    # As Lightning's `bf16-true` does: the whole module is converted.
    whole = nn.ModuleDict({"online": nn.Linear(2, 2)})
    whole["branch"] = MomentumBranch([whole["online"]])
    whole.to(dtype)
    online, branch = whole["online"], whole["branch"]
    assert isinstance(online, nn.Linear) and isinstance(branch, MomentumBranch)
    (weight, _) = branch.parameters()
    assert (online.weight.dtype, weight.dtype) == (dtype, torch.float32)
    start = weight.clone()
    torch.testing.assert_close(start, online.weight.float(), rtol=0, atol=0)
    online.weight.data += 1
    for _ in range(10):
        branch.follow([online], 0.999)
    # In 16 bits, 0.001 of the difference is below what a weight of this size can change by.
    target = online.weight.float() + (start - online.weight.float()) * 0.999**10
    torch.testing.assert_close(weight, target)
    assert branch.double().state_dict()["layers.0.weight"].dtype == torch.float64


def test_a_parameter_that_two_modules_share_is_averaged_once() -> None:
    layer = nn.Linear(2, 2)
    online = [nn.Sequential(layer), nn.Sequential(layer)]
    branch = MomentumBranch(online)
    before = layer.weight.detach().clone()
    layer.weight.data += 1
    branch.follow(online, 0.75)
    torch.testing.assert_close(branch.layers[1][0].weight, before + 0.25)  # type: ignore[index]


# --- its momentum ---------------------------------------------------------------------------------


def test_cosine_is_byols() -> None:
    case = oracle.case("foundation", "schedule.byol")
    for step, _, tau in case.outputs["step_lr_tau"].tolist():
        ours = momentum_at(
            int(step),
            base=case.params["base_ema"],
            total_steps=case.params["total_steps"],
            schedule="cosine",
        )
        assert ours == pytest.approx(tau, rel=1e-12)


def test_cosine_is_that_of_moco_v3() -> None:
    # Given in fractions of an epoch, which are whole steps at 50 steps an epoch.
    case = oracle.case("foundation", "schedule.mocov3")
    for epoch, _, momentum in case.outputs["epoch_lr_m"].tolist():
        ours = momentum_at(
            round(epoch * 50),
            base=case.params["moco_m"],
            total_steps=case.params["epochs"] * 50,
            schedule="cosine",
        )
        assert ours == pytest.approx(momentum, rel=1e-12)


@pytest.mark.parametrize("base", [0.0, 0.9, 1.0])
def test_cosine_goes_from_the_base_to_one_and_stays_there(base: float) -> None:
    at = [momentum_at(t, base=base, total_steps=10, schedule="cosine") for t in range(13)]
    assert (at[0], at[10], at[12]) == (base, 1.0, 1.0)
    assert at[5] == pytest.approx((base + 1) / 2)
    assert at == sorted(at)


def test_constant_is_constant_and_the_base_is_checked() -> None:
    at = {momentum_at(t, base=0.99, total_steps=10, schedule="constant") for t in range(12)}
    assert at == {0.99}
    for base in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"between 0 and 1, got {base}"):
            momentum_at(0, base=base, total_steps=10, schedule="cosine")


# --- shuffling ------------------------------------------------------------------------------------


class Recorder(nn.Module):
    """Remembers what passed through."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x[:, 0].clone())
        return 2 * x


def rows_of(rank: int) -> Tensor:
    """Numbered rows, (4, 1): those of all ranks are 0 to 7."""
    return torch.arange(4.0)[:, None] + 4 * rank


def shuffle_on(rank: int) -> dict:
    branch = MomentumBranch([Recorder()], shuffle=True)
    outputs = torch.stack([branch(rows_of(rank)) for _ in range(3)])
    state = branch.state_dict()
    resumed = MomentumBranch([Recorder()], shuffle=True)
    resumed.load_state_dict(state)
    for one in (branch, resumed):
        one(rows_of(rank))
    (recorder,), (later,) = branch.layers, resumed.layers
    assert isinstance(recorder, Recorder) and isinstance(later, Recorder)
    return {
        "outputs": outputs,
        "orders": torch.stack(recorder.seen),
        "resumed": later.seen[0],
        "shuffles": state["_extra_state"],
    }


def test_two_ranks_shuffle_alike_and_get_their_own_rows_back(tmp_path: Path) -> None:
    ranks = run_two_ranks(shuffle_on, tmp_path)
    for rank, result in enumerate(ranks):
        assert torch.equal(result["outputs"], 2 * rows_of(rank).expand(3, 4, 1))
        assert torch.equal(result["resumed"], result["orders"][-1])
        assert result["shuffles"] == 3
    orders = torch.cat([result["orders"] for result in ranks], dim=1)  # (calls, rows of all ranks)
    for order in orders:
        # One permutation, cut in two: were the ranks' different, rows would be missing.
        assert order.sort().values.tolist() == list(range(4 * WORLD))
    assert orders.unique(dim=0).shape[0] == 4
    assert any(set(order[:4].tolist()) != {0, 1, 2, 3} for order in orders)


def test_one_rank_shuffles_across_the_parts_of_split_batch_norm() -> None:
    online = online_network()
    split_batch_norm(online[0], 2)
    plain, shuffled = MomentumBranch(online), MomentumBranch(online, shuffle=True)
    assert not torch.allclose(plain(images()), shuffled(images()))
    # In eval mode no row depends on another, so each must have come back to its place.
    torch.testing.assert_close(plain.eval()(images()), plain.layers[1](plain.layers[0](images())))
    shuffled.layers.load_state_dict(plain.layers.state_dict())
    torch.testing.assert_close(shuffled.eval()(images()), plain(images()))


def test_the_count_of_shuffles_survives_a_checkpoint() -> None:
    branch = MomentumBranch([Recorder()], shuffle=True)
    branch(rows_of(0)), branch(rows_of(0))
    file = io.BytesIO()
    torch.save(branch.state_dict(), file)
    file.seek(0)
    resumed = MomentumBranch([Recorder()], shuffle=True)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.shuffles == 2
