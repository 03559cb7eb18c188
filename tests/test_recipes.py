"""Every shipped recipe is parsed, trained for two steps and resumed, on random pixels."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from runs import cnn, written_run

from sslkit.card import load_card
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
]
SIZE = 32  # pixels a side of the views, in place of ImageNet's 224
WIDTH = 64  # of heads that are wider
NARROW = "{channels: [16, 32, 64, 128], layers: [1, 1, 1, 1]}"
ONE_BLOCK = "{depth: 1, embed_dim: 48, num_heads: 3}"


def images_in_a_batch(arguments):
    """As few as the method can do with: two for each of its slices or splits of a batch."""
    return max(4, arguments.get("slice_size", 0), 2 * arguments.get("bn_splits", 0))


def small_network(arguments):
    """Options that make encoder and heads small ones of their kind, for small views.

    What starts from a checkpoint starts from a small one.
    """
    if "encoder" not in arguments:
        checkpoint = written_run(Path("pretrained"), cnn(in_channels=3, image_size=SIZE))
        path = checkpoint / "checkpoints/last.ckpt"
        return [f"--model.checkpoint={path}", f"--model.views.size={SIZE}"]
    convolutional = arguments["encoder"]["init_args"]["name"].startswith("resnet")
    widths = ("hidden_dim", "output_dim", "predictor_hidden_dim")
    wide = [width for width in widths if (arguments.get(width) or 0) > WIDTH]
    return [
        *(f"--model.{width}={WIDTH}" for width in wide),
        f"--model.views.size={SIZE}",
        f"--model.encoder.name={'resnet18' if convolutional else 'vit_tiny_patch16_224'}",
        f"--model.encoder.options={NARROW if convolutional else ONE_BLOCK}",
    ]


@pytest.fixture
def pixels(tmp_path, monkeypatch):
    """Random images for two steps of a recipe, as an .npz, and the options that name it."""
    monkeypatch.chdir(tmp_path)

    def make(config, side=SIZE):
        arguments = config["model"]["init_args"]
        channels = arguments.get("encoder", {}).get("init_args", {}).get("in_channels", 3)
        batch = images_in_a_batch(arguments)
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (2 * batch, side, side, channels), dtype=np.uint8)
        np.savez("pixels.npz", x_train=images, y_train=np.arange(2 * batch) % 2)
        return [
            "--data.source=pixels.npz",
            "--data.test_source=null",
            "--data.val_fraction=0",
            "--data.image_size=null",
            f"--data.batch_size={batch}",
        ]

    return make


def steps_of(run):
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"]


@pytest.mark.slow
@pytest.mark.parametrize("name", list_recipes())
def test_recipe_trains_two_steps_and_resumes(name, pixels):
    config = yaml.safe_load(find_recipe(name).read_text())
    data = pixels(config)
    network = small_network(config["model"]["init_args"])
    command = ["fit", "--config", name, *SMALL, *network, *data]
    assert main(command) == 0
    (run,) = Path("runs", name).glob("version_*")
    assert steps_of(run) == 2
    assert main([*command, "--trainer.max_epochs=2", "--ckpt_path=last"]) == 0
    assert steps_of(run) == 4
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    assert resolved["model"]["class_path"] == config["model"]["class_path"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10/moco", "imagenet1k/byol", "imagenet1k/moco_v3_vit"])
def test_the_real_networks_and_views_fit_too(name, pixels):
    config = yaml.safe_load(find_recipe(name).read_text())
    side = config["model"]["init_args"]["views"]["init_args"]["size"]
    steps = ["--trainer.limit_train_batches=1"]
    assert main(["fit", "--config", name, *SMALL, *steps, *pixels(config, side)]) == 0


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


def test_measured_figures_are_those_of_their_records():
    """Cards are filled in by benchmarks/results.py; a wheel has no records."""
    folder = Path(__file__).resolve().parent.parent
    measured = 0
    for name in list_recipes():
        card = load_card(find_recipe(name))
        for figure in card.expected if card.status == "measured" else []:
            record = json.loads((folder / figure.source).read_text())
            row = record["evaluation"]["rows"][0]
            key = {"knn20": "knn_20", "linear": "linear"}[figure.metric]
            assert figure.value == round(100 * row[key], 1), name
            assert record["seed"] == card.seed and figure.tolerance
            measured += 1
    assert measured > 20
