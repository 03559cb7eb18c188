"""Every shipped recipe is parsed and trained for two steps, on pixels of the right shape."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from sslkit.cli import main
from sslkit.recipe import find_recipe, list_recipes

# What makes two steps of a recipe for large machines fit a test; all other settings stay.
SMALL = [
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--trainer.precision=32-true",
    "--trainer.max_epochs=1",
    "--trainer.enable_progress_bar=false",
    "--evaluate=false",
    "--data.batch_size=4",
]


@pytest.fixture
def pixels(tmp_path, monkeypatch):
    """Eight random images of a recipe's size and channels as an .npz."""
    monkeypatch.chdir(tmp_path)

    def make(config):
        arguments = config["model"]["init_args"]
        side = arguments["views"]["init_args"]["size"]
        channels = arguments["encoder"]["init_args"].get("in_channels", 3)
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (8, side, side, channels), dtype=np.uint8)
        np.savez("pixels.npz", x_train=images, y_train=np.arange(8) % 2)
        return ["--data.source=pixels.npz", "--data.test_source=null", "--data.val_fraction=0"]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", list_recipes())
def test_recipe_trains_two_steps(name, pixels):
    config = yaml.safe_load(find_recipe(name).read_text())
    assert main(["fit", "--config", name, *SMALL, *pixels(config)]) == 0
    (run,) = Path("runs", name).glob("version_*")
    assert (run / "checkpoints/last.ckpt").is_file()
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    assert resolved["model"]["class_path"] == config["model"]["class_path"]


@pytest.mark.slow
def test_small_machine_override_of_the_cifar10_recipe(pixels):
    """The command in the recipe's header, as it stands there."""
    text = find_recipe("cifar10/simclr").read_text()
    start = text.index("#   sslkit fit --config cifar10/simclr")
    lines = text[start : text.index("recipe:")].splitlines()
    command = " ".join(line.removeprefix("#").strip().rstrip("\\") for line in lines)
    arguments = shlex.split(command)[1:]
    config = yaml.safe_load(text)
    assert main([*arguments, *SMALL, *pixels(config)]) == 0
