"""`sslkit reproduce` of every recipe for small machines, in miniature and without a network."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from runs import cnn, written_run

from sslkit.card import load_card
from sslkit.cli import main
from sslkit.recipe import find_recipe, list_recipes

SMALL = [name for name in list_recipes() if name.startswith("small/")]
STARTING = ["small/finetune", "small/linear_probe"]  # from a checkpoint
TRAIN, TEST, SIDE = 256, 40, 32  # images, and pixels a side


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images like CIFAR-10's, and no way to any others."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError("there is no network")

    monkeypatch.chdir(tmp_path)
    for name in ("socket.socket.connect", "socket.create_connection", "socket.getaddrinfo"):
        monkeypatch.setattr(name, refuse)
    rng = np.random.default_rng(0)
    label = np.arange(TRAIN + TEST) % 10
    pixels = rng.normal(100, 30, (TRAIN + TEST, SIDE, SIDE, 3)) + 10 * label[:, None, None, None]
    images = pixels.clip(0, 255).astype(np.uint8)
    halves = {"x_train": images[:TRAIN], "y_train": label[:TRAIN]}
    np.savez("images.npz", x_test=images[TRAIN:], y_test=label[TRAIN:], **halves)
    return tmp_path


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fit without a process of its own, whose start takes longer than these fits."""

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        assert command[1:3] == ["-m", "sslkit"]
        return SimpleNamespace(returncode=main(command[3:]))

    monkeypatch.setattr(subprocess, "run", run)


def miniature(name: str) -> list[str]:
    """Options that make a recipe short and narrow; its method and what is in it stay."""
    model = yaml.safe_load(find_recipe(name).read_text())["model"]["init_args"]
    batch = max(32, model.get("slice_size", 0))
    options = [f"--data.batch_size={batch}", f"--data.limit={2 * batch}", "--trainer.max_epochs=1"]
    if name in STARTING:
        run = written_run(Path("pretrained"), cnn(in_channels=3, image_size=SIDE))
        options = [f"--data.batch_size={batch}", "--trainer.max_epochs=1"]
        return [*options, f"--model.checkpoint={run / 'checkpoints/last.ckpt'}"]
    widths = "{channels: [16, 16, 16, 16], layers: [1, 1, 1, 1]}"
    return [*options, f"--model.encoder.options={widths}"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_is_run_scored_and_judged(
    name: str, here: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    card = load_card(find_recipe(name))
    assert card is not None
    assert main(["reproduce", name, "--data", "images.npz", "--", *miniature(name)]) == 4
    found = json.loads((here / f"runs/reproduce/{name}/reproduce.json").read_text())
    assert found["verdict"] == "nothing to compare with"
    measured = {f["metric"]: f["measured"] for f in found["figures"] if f["measured"] is not None}
    assert set(measured) >= ({"top1", "top5"} if name in STARTING else {"knn20", "linear"})
    assert {f["outcome"] for f in found["figures"] if f["expected"]} <= {"other images"}
    assert {"data.source", "trainer.max_epochs"} <= {*found["changed"]}
    said = " ".join(capsys.readouterr().out.split())
    assert "The run had other settings than the recipe: data.batch_size" in said
    assert ("No figures to compare with" in said) == (not card.expected)


def test_every_kind_is_among_them() -> None:
    assert len(SMALL) >= 27
    assert {*STARTING, "small/moco_ft_filter", "small/dcl_mochi"} <= {*SMALL}


@pytest.mark.parametrize("name", STARTING)
def test_what_starts_from_a_checkpoint_says_so_before_it_fetches_images(
    name: str, here: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", name]) == 1
    shown = capsys.readouterr()
    error = " ".join(shown.err.split())
    for words in (
        "model.checkpoint must be given",
        "sslkit fit --config small/simclr",
        "runs/small/simclr/version_0/checkpoints/last.ckpt",
    ):
        assert words in error
    assert "network" not in error and "-- --model.checkpoint FILE" in shown.out
    assert main(["fit", "--config", name, "--model.checkpoint", "none.ckpt"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "model.checkpoint is none.ckpt, and there is no such file" in error
