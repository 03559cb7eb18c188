import math

import oracle
import pytest
from jsonargparse import ArgumentParser

from sslkit.optim import Constant, MultiStep, Schedule, WarmupCosine, scaled_lr


def table(name: str) -> tuple[dict, list[list[float]]]:
    case = oracle.case("foundation", name)
    (rows,) = case.outputs.values()
    return case.params, rows.tolist()


# --- the authors' schedules -----------------------------------------------------------------------


def test_byol() -> None:
    # Per step, total and warm-up given in steps. Reference in float32.
    params, rows = table("schedule.byol")
    schedule = WarmupCosine(warmup_epochs=params["warmup_steps"])
    peak = scaled_lr(params["base_learning_rate"], params["batch_size"], "linear")
    for step, lr, _ in rows:
        factor = schedule.factor(int(step), total_steps=params["total_steps"], steps_per_epoch=1)
        assert peak * factor == pytest.approx(lr, rel=1e-6, abs=1e-12)


def test_barlow_twins() -> None:
    # Per step, warm-up in epochs, a thousandth left at the end; weights and biases have base rates
    # of their own.
    params, rows = table("schedule.barlow")
    per_epoch = params["steps_per_epoch"]
    schedule = WarmupCosine(params["warmup_epochs"], final_fraction=0.001)
    for step, *rates in rows:
        factor = schedule.factor(
            int(step), total_steps=params["epochs"] * per_epoch, steps_per_epoch=per_epoch
        )
        for base, lr in zip((0.2, 0.0048), rates, strict=True):
            peak = scaled_lr(base, params["batch_size"], "linear")
            assert peak * factor == pytest.approx(lr, rel=1e-9, abs=1e-12)


def test_moco_v3() -> None:
    # Given in fractions of an epoch, which are whole steps at 50 steps an epoch.
    params, rows = table("schedule.mocov3")
    schedule = WarmupCosine(params["warmup_epochs"])
    for epoch, lr, _ in rows:
        factor = schedule.factor(
            round(epoch * 50), total_steps=params["epochs"] * 50, steps_per_epoch=50
        )
        assert params["lr"] * factor == pytest.approx(lr, rel=1e-9, abs=1e-12)


def test_simclr() -> None:
    # The total is floor(nE/B) + 1 and the warm-up floor(n E_w/B) steps, n images in batches of B:
    # neither is a whole number of epochs, so both are given in steps. Reference in float32.
    params, rows = table("schedule.simclr")
    images, batch = params["num_examples"], params["batch"]
    total = images * params["epochs"] // batch + 1
    schedule = WarmupCosine(warmup_epochs=images * params["warmup_epochs"] // batch)
    peaks = [scaled_lr(0.3, batch, "linear")] * 6 + [scaled_lr(0.075, batch, "sqrt")] * 6
    assert len(rows) == len(peaks)
    for peak, (step, lr) in zip(peaks, rows, strict=True):
        factor = schedule.factor(int(step), total_steps=total, steps_per_epoch=1)
        assert peak * factor == pytest.approx(lr, rel=1e-6, abs=1e-8)


# --- shape ----------------------------------------------------------------------------------------


def curve(schedule: Schedule, total: int, per_epoch: int) -> list[float]:
    return [
        schedule.factor(step, total_steps=total, steps_per_epoch=per_epoch)
        for step in range(total + 1)
    ]


def test_warmup_then_half_a_cosine() -> None:
    factors = curve(WarmupCosine(warmup_epochs=2, final_fraction=0.1), 100, 10)
    assert factors[0] == 0
    assert factors[5] == 0.25
    assert factors[20] == max(factors) == 1
    assert factors[60] == pytest.approx(0.55)  # half-way down
    assert factors[100] == 0.1
    assert factors[:21] == sorted(factors[:21])
    assert factors[20:] == sorted(factors[20:], reverse=True)


def test_a_warm_up_may_begin_above_0() -> None:
    schedule = WarmupCosine(warmup_epochs=1, start_fraction=0.2)
    found = [schedule.factor(step, total_steps=16, steps_per_epoch=4) for step in range(5)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0], rel=1e-12)
    same = WarmupCosine(warmup_epochs=1)
    after = range(4, 17)
    assert [schedule.factor(t, total_steps=16, steps_per_epoch=4) for t in after] == [
        same.factor(t, total_steps=16, steps_per_epoch=4) for t in after
    ]


def test_without_warmup_it_starts_at_the_top() -> None:
    assert curve(WarmupCosine(warmup_epochs=0), 10, 5)[0] == 1


def test_a_fraction_of_an_epoch_may_end_between_steps() -> None:
    factors = curve(WarmupCosine(warmup_epochs=0.25), 40, 10)
    assert factors[:3] == [0, 0.4, 0.8]
    assert factors[3] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.5 / 37.5)))


@pytest.mark.parametrize("warmup_epochs", [1, 10])
def test_a_run_shorter_than_its_warmup_stays_in_it(warmup_epochs: float) -> None:
    factors = curve(WarmupCosine(warmup_epochs=warmup_epochs), 20, 20)
    assert factors[:20] == [step / (20 * warmup_epochs) for step in range(20)]


def test_steps_past_the_end_stay_at_the_final_fraction() -> None:
    schedule = WarmupCosine(warmup_epochs=1, final_fraction=0.2)
    assert schedule.factor(1000, total_steps=50, steps_per_epoch=5) == 0.2


def test_constant() -> None:
    assert set(curve(Constant(), 10, 3)) == {1.0}


# --- per epoch ------------------------------------------------------------------------------------


def test_moco_v2_moves_the_cosine_once_an_epoch() -> None:
    # adjust_learning_rate of MoCo's code: lr/2 (1 + cos(pi epoch/epochs)) for the whole epoch.
    factors = curve(WarmupCosine(warmup_epochs=0, per_epoch=True), 200 * 3, 3)
    for epoch in (0, 1, 50, 100, 199):
        expected = 0.5 * (1 + math.cos(math.pi * epoch / 200))
        assert factors[3 * epoch : 3 * epoch + 3] == pytest.approx([expected] * 3)


def test_a_warm_up_stays_per_step_and_may_end_inside_an_epoch() -> None:
    steps = curve(WarmupCosine(warmup_epochs=1.5, per_epoch=True), 40, 4)
    assert steps[:6] == [step / 6 for step in range(6)]
    assert steps[6:8] == [1, 1]
    assert steps[8:12] == pytest.approx([0.5 * (1 + math.cos(math.pi * 2 / 34))] * 4)
    assert max(steps) == 1


# --- steps down -----------------------------------------------------------------------------------


def test_moco_v1_has_a_tenth_at_120_and_160_of_200_epochs() -> None:
    factors = curve(MultiStep([120, 160]), 200 * 5, 5)
    assert factors[: 120 * 5] == [1] * 600
    assert factors[120 * 5 : 160 * 5] == pytest.approx([0.1] * 200)
    assert factors[160 * 5 : -1] == pytest.approx([0.01] * 200)


def test_w_mse_warms_up_and_counts_from_the_end() -> None:
    factors = curve(MultiStep([-50, -25], gamma=0.2, warmup_steps=500), 1000 * 20, 20)
    assert factors[:3] == [1 / 500, 2 / 500, 3 / 500]
    assert factors[498] < factors[499] == factors[950 * 20 - 1] == 1
    assert factors[950 * 20] == factors[975 * 20 - 1] == pytest.approx(0.2)
    assert factors[975 * 20] == factors[1000 * 20 - 1] == pytest.approx(0.04)


@pytest.mark.parametrize("milestones", [[-50, -25], [120, 160], [-10, 10], []])
def test_milestones_outside_the_run_are_never_reached(milestones: list[int]) -> None:
    assert curve(MultiStep(milestones), 10 * 4, 4)[:-1] == [1] * 40


def test_the_last_epoch_may_be_incomplete() -> None:
    factors = curve(MultiStep([-1], gamma=0.5), 10, 4)
    assert factors[:10] == [1] * 8 + [0.5] * 2


# --- scaling --------------------------------------------------------------------------------------


def test_scaling_rules() -> None:
    assert scaled_lr(0.3, 512, "linear") == pytest.approx(0.6)
    assert scaled_lr(0.075, 4096, "sqrt") == pytest.approx(4.8)
    assert scaled_lr(0.3, 4096, "linear") == pytest.approx(4.8)  # the two agree at SimCLR's batch
    assert scaled_lr(0.3, 4096, "none") == 0.3


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("warmup_epochs", [-1, math.inf, math.nan])
def test_warmup_is_checked(warmup_epochs: float) -> None:
    with pytest.raises(ValueError, match=f"warmup_epochs .* got {warmup_epochs}"):
        WarmupCosine(warmup_epochs=warmup_epochs)


@pytest.mark.parametrize("start_fraction", [-0.1, 1.1, math.nan])
def test_start_fraction_is_checked(start_fraction: float) -> None:
    with pytest.raises(ValueError, match=f"start_fraction .* got {start_fraction}"):
        WarmupCosine(start_fraction=start_fraction)


@pytest.mark.parametrize("final_fraction", [-0.1, 1.1, math.nan])
def test_final_fraction_is_checked(final_fraction: float) -> None:
    with pytest.raises(ValueError, match=f"final_fraction .* got {final_fraction}"):
        WarmupCosine(final_fraction=final_fraction)


@pytest.mark.parametrize("total_steps", [0, -1, math.inf])
def test_a_cosine_needs_an_end(total_steps: int) -> None:
    with pytest.raises(ValueError, match=f"total_steps .* got {total_steps}"):
        WarmupCosine().factor(0, total_steps=total_steps, steps_per_epoch=10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"milestones": [0, 5]}, r"milestones .* got \[0, 5\]"),
        ({"milestones": [5], "gamma": 0}, "gamma .* got 0"),
        ({"milestones": [5], "gamma": 1.5}, "gamma .* got 1.5"),
        ({"milestones": [5], "warmup_steps": -1}, "warmup_steps .* got -1"),
    ],
)
def test_steps_down_are_checked(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiStep(**arguments)


def test_only_milestones_from_the_end_need_one() -> None:
    with pytest.raises(ValueError, match=r"total_steps .* got inf.*\[-5\] count from the end"):
        MultiStep([-5]).factor(0, total_steps=math.inf, steps_per_epoch=10)  # pyright: ignore[reportArgumentType]
    assert MultiStep([5]).factor(50, total_steps=math.inf, steps_per_epoch=10) == 0.1  # pyright: ignore[reportArgumentType]


def test_scaling_is_checked() -> None:
    with pytest.raises(ValueError, match=r"batch_size .* got 0"):
        scaled_lr(0.3, 0, "linear")
    with pytest.raises(ValueError, match=r"base_lr .* got -0\.3"):
        scaled_lr(-0.3, 256, "linear")
    with pytest.raises(ValueError, match=r"rule .* got 'cubic'"):
        scaled_lr(0.3, 256, "cubic")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        (
            WarmupCosine,
            {
                "warmup_epochs": 1,
                "final_fraction": 0.001,
                "per_epoch": True,
                "start_fraction": 0.1,
            },
        ),
        (MultiStep, {"milestones": (-50, -25), "gamma": 0.2, "warmup_steps": 500}),
    ],
)
def test_a_config_parser_reads_the_schedules(schedule: type[Schedule], arguments: dict) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--schedule", type=Schedule)
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()}
    config = {"class_path": f"sslkit.optim.{schedule.__name__}", "init_args": plain}
    read = parser.instantiate(parser.parse_object({"schedule": config})).schedule
    assert isinstance(read, schedule)
    assert vars(read) == arguments
