"""Running a recipe again: what is run, what comes out, and the exit code that says so."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from packs import RECIPE, archive, whole

from sslkit.cli import main
from sslkit.recipe import find_recipe

EVALUATION = {
    "n_train": 10,
    "n_test": 10,
    "split": "test",
    "protocol": {"linear": "lbfgs."},
    "rows": [{"linear": 0.8}],
}
Commands = list[list[str]]


def recipe(value: float | None, tolerance: float | None = 1.0) -> str:
    """A recipe whose card promises this, or nothing."""
    content = yaml.safe_load(RECIPE)
    if value is not None:
        figure = {"metric": "linear", "value": value, "protocol": "p", "source": "s"}
        content["recipe"]["expected"] = [figure | {"tolerance": tolerance}]
    return yaml.safe_dump(content)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Commands]:
    """Puts a stand-in in the place of the process that trains; returns what it was asked."""

    def install(code: int = 0, evaluations: int = 1) -> Commands:
        commands: Commands = []

        def run(command: list[str], *, env: dict[str, str], check: bool) -> Any:
            commands.append(command)
            assert env["PYTHONSAFEPATH"] == "1" and not check
            out = Path(command[command.index("--trainer.default_root_dir") + 1])
            for i in range(evaluations):
                folder = out / f"version_{len(list(out.glob('version_*')))}"
                (folder / f"{i}").mkdir(parents=True)
                (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
                (folder / "environment.json").write_text('{"python": "3.11"}')
            return SimpleNamespace(returncode=code)

        monkeypatch.setattr("sslkit.reproduce.subprocess.run", run)
        return commands

    return install


@pytest.mark.parametrize(
    ("value", "tolerance", "code", "word"),
    [
        (80.5, 1.0, 0, "reproduced"),
        (82.0, 1.0, 3, "not reproduced"),
        (80.0, None, 4, "nothing to compare with"),
        (None, None, 4, "nothing to compare with"),
    ],
)
def test_the_exit_code_and_the_record_say_whether_it_holds(
    value: float | None,
    tolerance: float | None,
    code: int,
    word: str,
    fit: Callable[..., Commands],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_text(recipe(value, tolerance))
    commands = fit()
    assert main(["reproduce", "a.yaml"]) == code
    (command,) = commands
    assert command[:6] == [sys.executable, "-m", "sslkit", "fit", "--config", "a.yaml"]
    assert "--evaluate" in command and "--data.source" not in command
    found = json.loads(Path("runs/reproduce/birds/reproduce.json").read_text())
    assert found["verdict"] == word and found["run"] == "runs/reproduce/birds/version_0"
    (figure,) = found["figures"]
    assert figure["measured"] == 80.0 and figure["expected"] == value
    assert found["environment"]["measured"] == {"python": "3.11"}
    assert found["card"]["name"] == "birds"
    assert word in capsys.readouterr().out


def test_a_second_run_is_compared_by_its_own_figures(fit: Callable[..., Commands]) -> None:
    Path("a.yaml").write_text(recipe(80.0))
    fit()
    for version in range(2):
        assert main(["reproduce", "a.yaml", "--out", "out"]) == 0
        found = json.loads(Path("out/reproduce.json").read_text())
        assert found["run"] == f"out/version_{version}"


def test_a_pack_is_run_as_it_was_sent(fit: Callable[..., Commands]) -> None:
    members = {"recipe.yaml": recipe(80.0).encode(), "environment.json": b'{"python": "9"}'}
    archive(Path("a.sslrecipe"), whole(members))
    commands = fit()
    given = ["--data", "photos", "--trust", "my_lab", "--", "--trainer.accelerator", "cpu"]
    assert main(["reproduce", "a.sslrecipe", *given]) == 0
    folder = Path("runs/reproduce/birds")
    assert (folder / "recipe.yaml").read_text() == recipe(80.0)
    (command,) = commands
    assert command[command.index("--config") + 1] == str(folder / "recipe.yaml")
    assert command[command.index("--data.source") + 1] == "photos"
    assert command[command.index("--data.test_source") + 1] == "null"
    assert command[command.index("--trust") + 1] == "my_lab"
    assert command[command.index("--trainer.accelerator") + 1] == "cpu"
    found = json.loads((folder / "reproduce.json").read_text())
    assert found["options"][:2] == ["--data.source", "photos"]
    assert found["options"][-2:] == ["--trainer.accelerator", "cpu"]
    assert found["environment"]["expected"] == {"python": "9"}


def test_what_cannot_be_compared(
    fit: Callable[..., Commands], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.yaml").write_text(recipe(80.0))
    fit(code=7)
    assert main(["reproduce", "a.yaml"]) == 7
    assert "ended with exit code 7" in capsys.readouterr().out
    for count in (0, 2):
        fit(evaluations=count)
        assert main(["reproduce", "a.yaml", "--out", f"out{count}"]) == 1
        assert f"left {count or 'no'} evaluations" in " ".join(capsys.readouterr().err.split())
    Path("plain.yaml").write_text("seed_everything: 0\n")
    assert main(["reproduce", "plain.yaml"]) == 1
    assert "has no card" in capsys.readouterr().err
    assert main(["reproduce", "quickstrat"]) == 1
    archive(Path("a.sslrecipe"), whole({"recipe.yaml": b"x: !!python/name:os.system\n"}))
    assert main(["reproduce", "a.sslrecipe"]) == 1
    assert not list(Path(".").rglob("reproduce.json"))


OFFLINE = """\
import socket


def refuse(*arguments, **options):
    raise OSError("there is no network")


socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""


@pytest.mark.slow
def test_from_a_run_to_a_pack_to_the_same_figures_elsewhere_without_a_network(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSLKIT_RECIPES", str(here / "mine"))
    (here / "site").mkdir()
    (here / "site/sitecustomize.py").write_text(OFFLINE)
    paths = [str(here / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    rng, labels = np.random.default_rng(0), np.arange(120) % 3
    shift = (labels * 40)[:, None, None, None]
    images = (rng.normal(100, 30, (120, 16, 16, 3)) + shift).clip(0, 255).astype(np.uint8)
    halves = {"x_train": images[:80], "y_train": labels[:80]}
    np.savez("birds.npz", **halves, x_test=images[80:], y_test=labels[80:])
    short = ["--trainer.max_epochs=1", "--data.batch_size=40", "--data.val_fraction=0"]
    short += ["--model.encoder.in_channels=3", "--model.views.size=16", "--trainer.callbacks=null"]
    source = str(here / "birds.npz")
    assert main(["fit", "--config=quickstart", f"--data.source={source}", *short]) == 0
    run = "runs/quickstart/version_0"
    assert main(["recipe", "pack", run, "--name", "birds", "--checkpoint"]) == 0
    assert main(["recipe", "add", "birds.sslrecipe", "--yes"]) == 0
    card = yaml.safe_load(find_recipe("user/birds").read_text())["recipe"]
    assert "data.source" in card["changed"] and card["status"] == "measured"
    capsys.readouterr()
    command = [sys.executable, "-m", "sslkit", "reproduce", "user/birds", "--data", source]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((here / "runs/reproduce/birds/reproduce.json").read_text())
    assert found["verdict"] == "reproduced"
    # The same machine, threads and seed: not only within the tolerance.
    assert [figure["difference"] for figure in found["figures"]] == [0.0, 0.0]
