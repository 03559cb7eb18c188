from typing import Any

import pytest

from sslkit.card import Card
from sslkit.methods.optimisation import highest_factor
from sslkit.optim import WarmupCosine
from sslkit.recipe.scale import processes_of, scale_of


@pytest.mark.parametrize(
    ("trainer", "processes"),
    [
        ({"devices": "auto"}, None),
        ({"devices": -1}, None),
        ({}, None),
        ({"devices": 4}, 4),
        ({"devices": "4", "num_nodes": 2}, 8),
        ({"devices": [0, 2, 3]}, 3),
    ],
)
def test_how_many_processes_a_trainer_asks_for(
    trainer: dict[str, Any], processes: int | None
) -> None:
    assert processes_of(trainer) == processes


def card(devices: int | None) -> Card:
    text = {key: "x" for key in ("name", "method", "dataset", "summary")}
    return Card(**text, seed=0, status="untested", devices=devices)


def test_the_learning_rate_is_that_of_the_global_batch() -> None:
    config: dict[str, Any] = {
        "trainer": {"devices": "auto", "max_epochs": 10, "accumulate_grad_batches": 2},
        "data": {"batch_size": 32, "limit": 1000},
        "model": {"init_args": {"base_lr": 0.1, "lr_scaling": "linear"}},
    }
    scale = scale_of(config, card(8))
    assert (scale.processes, scale.compared, scale.global_batch) == (8, 256, 512)
    assert scale.lr == pytest.approx(0.2)
    assert (scale.steps_per_epoch, scale.total_steps) == (2, 20)
    assert scale_of(config, card(None)).global_batch == 64
    assert scale_of(config, None).steps_per_epoch == 16
    config["trainer"]["devices"] = 2  # what is asked for now counts more than the figures'
    assert scale_of(config, card(8)).processes == 2


def test_a_run_ends_with_whichever_comes_first() -> None:
    config: dict[str, Any] = {"trainer": {}, "data": {"batch_size": 10, "limit": 100}}
    assert scale_of(config, None).total_steps is None
    assert scale_of(config, None).lr is None
    config["trainer"] = {"max_epochs": 5, "max_steps": 30}
    assert scale_of(config, None).total_steps == 30
    config["trainer"] = {"max_epochs": 2, "max_steps": 30}
    assert scale_of(config, None).total_steps == 20
    config["trainer"] = {"max_epochs": -1, "max_steps": -1}
    assert scale_of(config, None).total_steps is None


@pytest.mark.parametrize(
    ("trainer", "data", "steps"),
    [
        ({}, {"limit": 1000}, 100),
        ({}, {"limit": 1000, "val_fraction": 0.1}, 90),
        ({}, {"limit": 1000, "val_fraction": 0.1, "val_source": "images"}, 100),
        ({}, {"limit": 1000, "val_fraction": 0.1, "label_fraction": 0.5}, 45),
        ({"limit_train_batches": 7}, {"limit": 1000}, 7),
        ({"limit_train_batches": 7}, {}, 7),
        ({"limit_train_batches": 0.25}, {"limit": 1000}, 25),
        ({"limit_train_batches": 7, "accumulate_grad_batches": 2}, {"limit": 1000}, 4),
        ({"accumulate_grad_batches": 200}, {"limit": 1000}, 1),
    ],
)
def test_the_steps_of_an_epoch_are_those_of_the_fit(
    trainer: dict[str, Any], data: dict[str, Any], steps: int
) -> None:
    config: dict[str, Any] = {"trainer": trainer, "data": {"batch_size": 10, **data}}
    assert scale_of(config, None).steps_per_epoch == steps


def test_the_share_of_a_warm_up_does_not_depend_on_the_steps_of_an_epoch() -> None:
    schedule = WarmupCosine(warmup_epochs=10)
    for steps in (1, 3, 17, 1000):
        reached = highest_factor(schedule, total_steps=3 * steps, steps_per_epoch=steps)
        assert reached == pytest.approx(0.3)
    assert highest_factor(WarmupCosine(0), total_steps=1, steps_per_epoch=1) == 1
