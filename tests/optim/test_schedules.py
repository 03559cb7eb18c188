import math

import oracle
import pytest
from jsonargparse import ArgumentParser

from sslkit.optim import Constant, Schedule, WarmupCosine, scaled_lr


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


@pytest.mark.parametrize("final_fraction", [-0.1, 1.1, math.nan])
def test_final_fraction_is_checked(final_fraction: float) -> None:
    with pytest.raises(ValueError, match=f"final_fraction .* got {final_fraction}"):
        WarmupCosine(final_fraction=final_fraction)


@pytest.mark.parametrize("total_steps", [0, -1, math.inf])
def test_a_cosine_needs_an_end(total_steps: int) -> None:
    with pytest.raises(ValueError, match=f"total_steps .* got {total_steps}"):
        WarmupCosine().factor(0, total_steps=total_steps, steps_per_epoch=10)


def test_scaling_is_checked() -> None:
    with pytest.raises(ValueError, match=r"batch_size .* got 0"):
        scaled_lr(0.3, 0, "linear")
    with pytest.raises(ValueError, match=r"base_lr .* got -0\.3"):
        scaled_lr(-0.3, 256, "linear")
    with pytest.raises(ValueError, match=r"rule .* got 'cubic'"):
        scaled_lr(0.3, 256, "cubic")  # pyright: ignore[reportArgumentType]


def test_a_config_parser_reads_the_schedules() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--schedule", type=Schedule)
    config = parser.parse_object(
        {
            "schedule": {
                "class_path": "sslkit.optim.WarmupCosine",
                "init_args": {"warmup_epochs": 1, "final_fraction": 0.001},
            }
        }
    )
    schedule = parser.instantiate(config).schedule
    assert isinstance(schedule, WarmupCosine)
    assert (schedule.warmup_epochs, schedule.final_fraction) == (1, 0.001)
