"""A run that changes its recipe does not keep the recipe's figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sslkit.card import load_card
from sslkit.cli import main
from sslkit.run_card import honest_config

FIGURE = {"metric": "linear", "value": 81.0, "protocol": "p", "source": "s", "tolerance": 1.0}
CARD = {
    "name": "mine",
    "method": "SimCLR",
    "dataset": "d",
    "summary": "s",
    "seed": 0,
    "status": "measured",
    "expected": [FIGURE],
    "hardware": "2 cores",
    "minutes": 3.0,
    "sslkit": "0.1.0",
}
CONFIG = {
    "recipe": CARD,
    "evaluate": True,
    "trainer": {"max_epochs": 2, "default_root_dir": None, "callbacks": None},
    "model": {"class_path": "sslkit.methods.SimCLR", "init_args": {"temperature": 0.1}},
    "data": {"source": "quickstart"},
}
Resolve = Callable[[list[str]], str]


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    return str(file)


def plain(arguments: list[str]) -> str:
    """As the parser would of these configs: there are no defaults, and they hold all keys."""
    (config,) = [Path(a.removeprefix("--config=")) for a in arguments if a.startswith("--config=")]
    return config.read_text()


def run_of(**changes: Any) -> str:
    return yaml.safe_dump({**CONFIG, **changes})


def test_a_run_of_the_recipe_keeps_its_card(recipe: str) -> None:
    for arguments in (["--config", recipe], [f"--config={recipe}"], [f"-c={recipe}"]):
        assert honest_config(run_of(), arguments, plain) == run_of()
    watched = run_of(evaluate=False, trainer={**CONFIG["trainer"], "default_root_dir": "elsewhere"})
    arguments = ["--config", recipe, "--evaluate", "false", "--trainer.default_root_dir=elsewhere"]
    assert honest_config(watched, arguments, plain) == watched


def test_a_change_takes_the_figures_and_is_named(recipe: str) -> None:
    changed = run_of(
        trainer={**CONFIG["trainer"], "max_epochs": 1},
        model={"class_path": "sslkit.methods.DCL", "init_args": {"temperature": 0.2, "x": 1}},
    )
    text = honest_config(changed, ["--config", recipe, "--trainer.max_epochs", "1"], plain)
    found = yaml.safe_load(text)
    card = found.pop("recipe")
    assert card["changed"] == ["model", "trainer.max_epochs"]
    assert (card["status"], card["expected"]) == ("untested", [])
    assert (card["hardware"], card["minutes"], card["sslkit"]) == (None, None, None)
    kept = ("name", "method", "dataset", "summary", "seed")
    assert {key: card[key] for key in kept} == {key: CARD[key] for key in kept}
    assert found == {key: x for key, x in yaml.safe_load(changed).items() if key != "recipe"}


def test_a_change_of_a_changed_run_is_added(recipe: str) -> None:
    earlier = {**CARD, "changed": ["data.limit"]}
    Path(recipe).write_text(run_of(recipe=earlier))
    text = run_of(recipe=earlier, data={"source": "elsewhere"})
    found = honest_config(text, ["--config", recipe, "--data.source=elsewhere"], plain)
    assert yaml.safe_load(found)["recipe"]["changed"] == ["data.limit", "data.source"]


def test_the_config_with_the_card_is_the_one_that_counts(recipe: str, tmp_path: Path) -> None:
    second = tmp_path / "longer.yaml"
    second.write_text("trainer: {max_epochs: 9}\n")
    text = run_of(trainer={**CONFIG["trainer"], "max_epochs": 9})
    for order in ([recipe, str(second)], [str(second), recipe]):
        arguments = [word for config in order for word in ("--config", config)]
        found = yaml.safe_load(honest_config(text, arguments, plain))
        assert found["recipe"]["changed"] == ["trainer.max_epochs"]
    for without in ([], ["--config", str(second), "--seed_everything=1"], ["--seed_everything=1"]):
        assert honest_config(text, without, plain) == text


def test_images_that_a_recipe_leaves_open_are_named(recipe: str) -> None:
    Path(recipe).write_text(run_of(data={"limit": 9}))
    asked: list[list[str]] = []

    def resolve(arguments: list[str]) -> str:
        asked.append(arguments)
        return run_of(data={"limit": 9, "source": "quickstart"})

    text = run_of(data={"limit": 9, "source": "mine"})
    found = honest_config(text, ["--config", recipe, "--data.source", "mine"], resolve)
    assert asked == [[f"--config={recipe}", "--data.source=quickstart"]]
    assert yaml.safe_load(found)["recipe"]["changed"] == ["data.source"]


def test_a_recipe_that_is_not_whole_alone_is_compared_as_it_stands(recipe: str) -> None:
    def resolve(arguments: list[str]) -> str:
        raise ValueError("model must be given")

    text = run_of(seed_everything=3)
    found = honest_config(text, ["--config", recipe, "--seed_everything=3"], resolve)
    assert yaml.safe_load(found)["recipe"]["changed"] == ["seed_everything"]


@pytest.mark.slow
def test_the_config_of_a_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short = ["--trainer.limit_train_batches=1", "--trainer.max_epochs=1", "--evaluate=false"]
    assert main(["fit", "--config=quickstart", "--trainer.callbacks=null", *short]) == 0
    run = Path("runs/quickstart/version_0")
    card = load_card(run / "config.yaml")
    assert card is not None and (card.status, card.expected) == ("untested", [])
    wanted = ["trainer.callbacks", "trainer.limit_train_batches", "trainer.max_epochs"]
    assert card.changed == wanted
    assert (run / "environment.json").is_file()
    # Run again it is the recipe of a run, which it has not changed.
    assert main(["fit", f"--config={run}/config.yaml"]) == 0
    again = Path("runs/quickstart/version_1/config.yaml")
    assert yaml.safe_load(again.read_text()) == yaml.safe_load((run / "config.yaml").read_text())
