import copy
from collections.abc import Iterator

import oracle
import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from sslkit.optim import LARS


def trajectory(name: str, *, lr_in_buffer: bool = False) -> Iterator[tuple[int, list, list]]:
    """Our tensors and the reference's after each step of a case."""
    case = oracle.case("foundation", name)
    dtype = case.outputs["p0t0"].dtype
    parameters = [nn.Parameter(case.inputs[f"p{i}"].to(dtype)) for i in range(4)]
    optimiser = LARS(
        parameters,
        momentum=case.params["momentum"],
        weight_decay=case.params["weight_decay"],
        trust_coefficient=case.params["eta"],
        lr_in_buffer=lr_in_buffer,
    )
    for step, lr in enumerate(case.params["lr"]):
        optimiser.param_groups[0]["lr"] = lr
        for i, parameter in enumerate(parameters):
            parameter.grad = case.inputs[f"g{i}t{step}"].to(dtype)
        optimiser.step()
        yield (
            step,
            [p.detach().clone() for p in parameters],
            [case.outputs[f"p{i}t{step}"] for i in range(4)],
        )


def gaps(name: str, *, lr_in_buffer: bool = False) -> list[float]:
    """Largest absolute difference after each step."""
    return [
        max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
        for _, ours, theirs in trajectory(name, lr_in_buffer=lr_in_buffer)
    ]


@pytest.mark.parametrize("name", ["lars.barlow", "lars.mocov3", "lars.byol"])
def test_equals_the_authors_code(name: str) -> None:
    for _, ours, theirs in trajectory(name):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


def test_learning_rate_in_the_buffer_is_simclrs_form() -> None:
    for _, ours, theirs in trajectory("lars.simclr", lr_in_buffer=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    # The rate changes from the second step on, and there the two forms part.
    part = gaps("lars.simclr", lr_in_buffer=False)
    assert part[0] < 1e-6 and part[1] > 1e-2


@pytest.mark.parametrize("name", ["lars.lightly", "lars.solo"])
def test_the_form_with_separate_norms_is_close_and_not_ours(name: str) -> None:
    # They divide by |g| + wd |p| + 1e-8 where ours has |g + wd p|, and leave decay out when a norm
    # is 0. That moves these tensors by some 1e-5 in three steps.
    last = gaps(name)[-1]
    assert 1e-6 < last < 1e-4


@pytest.mark.parametrize("name", ["lars.lightly", "lars.solo"])
def test_its_denominator_is_all_that_the_other_form_differs_in(name: str) -> None:
    case = oracle.case("foundation", name)
    decay, trust = case.params["weight_decay"], case.params["eta"]
    for i in range(4):
        parameter = case.inputs[f"p{i}"]
        buffer = torch.zeros_like(parameter)
        for step, lr in enumerate(case.params["lr"]):
            gradient = case.inputs[f"g{i}t{step}"]
            sizes = parameter.norm(), gradient.norm()
            if parameter.ndim > 1 and min(sizes) > 0:
                share = trust * sizes[0] / (sizes[1] + decay * sizes[0] + 1e-8)
                gradient = share * (gradient + decay * parameter)
            buffer = case.params["momentum"] * buffer + gradient
            parameter = parameter - lr * buffer
            expected = case.outputs[f"p{i}t{step}"]
            torch.testing.assert_close(parameter, expected, rtol=1e-10, atol=1e-12)


def tensors(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3), (3,), (2, 3, 1, 1), ()]
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in shapes]


def gradients(step: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(p.shape, generator=generator, dtype=dtype) for p in tensors()]


def walk(optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        for parameter, gradient in zip(parameters, gradients(step), strict=True):
            parameter.grad = gradient.to(parameter.dtype)
        optimiser.step()


@pytest.mark.parametrize("lr_in_buffer", [False, True])
def test_excluded_tensors_follow_sgd(lr_in_buffer: bool) -> None:
    ours, plain = tensors(), tensors()
    group = {"params": ours, "excluded": True}
    walk(LARS([group], lr=0.1, weight_decay=0.5, lr_in_buffer=lr_in_buffer), range(4))
    walk(torch.optim.SGD(plain, lr=0.1, momentum=0.9), range(4))
    torch.testing.assert_close(ours, plain, rtol=1e-13, atol=1e-13)


def test_tensors_of_one_dimension_follow_sgd_without_being_told() -> None:
    ours, plain = tensors(), tensors()
    walk(LARS(ours, lr=0.1, weight_decay=0.5), range(4))
    walk(torch.optim.SGD(plain, lr=0.1, momentum=0.9), range(4))
    for a, b in zip(ours, plain, strict=True):
        assert torch.allclose(a, b, rtol=1e-12) == (a.ndim <= 1)


def test_size_of_the_gradient_does_not_matter_without_decay() -> None:
    first, second = tensors()[:1], tensors()[:1]
    gradient = gradients(0)[0]
    for parameters, scale in ((first, 1.0), (second, 1e4)):
        parameters[0].grad = gradient * scale
        LARS(parameters, lr=0.3).step()
    torch.testing.assert_close(first, second, rtol=1e-13, atol=0)
    moved = (first[0] - tensors()[0]).norm()
    torch.testing.assert_close(moved, 0.3 * 1e-3 * tensors()[0].norm(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("zero", ["parameter", "gradient"])
def test_a_norm_of_zero_means_trust_one(zero: str) -> None:
    start = torch.zeros(2, 2) if zero == "parameter" else torch.ones(2, 2)
    parameter = nn.Parameter(start.clone())
    parameter.grad = torch.zeros(2, 2) if zero == "gradient" else torch.ones(2, 2)
    LARS([parameter], lr=0.5).step()
    torch.testing.assert_close(parameter.detach(), start - 0.5 * parameter.grad)


def test_gradients_are_left_alone_and_missing_ones_skipped() -> None:
    parameters = tensors()
    before = copy.deepcopy(parameters)
    optimiser = LARS(parameters, lr=0.1, weight_decay=0.1)
    for parameter, gradient in zip(parameters[1:], gradients(0)[1:], strict=True):
        parameter.grad = gradient.clone()
    optimiser.step()
    assert torch.equal(parameters[0], before[0]) and parameters[0] not in optimiser.state
    for parameter, gradient in zip(parameters[1:], gradients(0)[1:], strict=True):
        assert parameter.grad is not None and torch.equal(parameter.grad, gradient)


def test_tensors_of_several_types_share_a_group() -> None:
    mixed = [nn.Parameter(p.detach().to(d)) for p in tensors() for d in (torch.float32, p.dtype)]
    alone = copy.deepcopy(mixed)
    optimiser = LARS(mixed, lr=0.1, weight_decay=0.1)
    for parameters in (mixed, alone):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for parameter in alone:
        LARS([parameter], lr=0.1, weight_decay=0.1).step()
    assert all(torch.equal(a, b) for a, b in zip(mixed, alone, strict=True))


@pytest.mark.parametrize("lr_in_buffer", [False, True])
def test_resumed_run_is_bit_identical(lr_in_buffer: bool, tmp_path) -> None:
    straight = tensors(torch.float32)
    walk(LARS(straight, lr=0.2, weight_decay=0.1, lr_in_buffer=lr_in_buffer), range(6))
    first = tensors(torch.float32)
    optimiser = LARS(first, lr=0.2, weight_decay=0.1, lr_in_buffer=lr_in_buffer)
    walk(optimiser, range(3))
    torch.save(optimiser.state_dict(), tmp_path / "state.pt")
    second = [nn.Parameter(p.detach().clone()) for p in first]
    resumed = LARS(second)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    walk(resumed, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(straight, second, strict=True))


def test_closure_is_evaluated_with_gradient() -> None:
    parameter = nn.Parameter(torch.tensor([2.0]))
    optimiser = LARS([parameter], lr=0.25, momentum=0.0)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    assert optimiser.step(closure).item() == 4.0
    assert parameter.item() == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -0.1),
        ("lr", float("nan")),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", -1e-4),
        ("trust_coefficient", 0.0),
    ],
)
def test_arguments_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} of LARS must be .* got {value}"):
        LARS(tensors(), **{name: value})


def test_a_config_parser_reads_the_signature() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LARS, "optimizer", skip={"params"})
    config = parser.parse_object(
        {
            "optimizer": {
                "class_path": "sslkit.optim.LARS",
                "init_args": {"lr": 0.3, "weight_decay": 1e-6, "lr_in_buffer": True},
            }
        }
    )
    arguments = config.optimizer.init_args
    assert vars(arguments) == {
        "lr": 0.3,
        "momentum": 0.9,
        "weight_decay": 1e-6,
        "trust_coefficient": 1e-3,
        "lr_in_buffer": True,
    }
