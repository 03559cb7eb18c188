from pathlib import Path

import pytest
import yaml

from sslkit.cli import main
from sslkit.recipe import find_recipe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], name: str) -> tuple[str, dict]:
    """What stands above the config, on one line, and the config."""
    capsys.readouterr()
    assert main(["recipe", "show", name]) == 0
    head, config = capsys.readouterr().out.split("# the config, resolved\n")
    assert max(map(len, head.splitlines())) <= 100
    return " ".join(head.split()), yaml.safe_load(config)


def test_card_needs_commands_and_config(capsys: pytest.CaptureFixture[str]) -> None:
    head, config = shown(capsys, "quickstart")
    for words in (
        "A first run, from images to a score",
        "SimCLR (Chen et al., ICML 2020, https://arxiv.org/abs/2002.05709)",
        "status measured",
        "linear 83.9 %, or up to 2.9 points less (the same features; logistic",
        "ran on 2 CPU cores (AMD EPYC), 2 minutes, sslkit 0.1.0",
        "data the images in the package",
        "devices any, counted as 1",
        "batch 256 images (1 x 256) an optimiser step; effective learning rate 0.48",
        "sslkit fit --config quickstart sslkit evaluate runs/quickstart/version_0 "
        "sslkit reproduce quickstart",
    ):
        assert words in head
    assert config["model"]["init_args"]["exclude_bias_and_norm"] is True  # a default
    assert "recipe" not in config


def test_a_changed_recipe_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = find_recipe("quickstart").read_text()
    changed = "  status: measured\n  changed: [data.limit, trainer.max_epochs]\n"
    Path("run.yaml").write_text(text.replace("  status: measured\n", changed))
    head, _ = shown(capsys, "run.yaml")
    assert "changed data.limit, trainer.max_epochs: not as in the recipe of this name" in head


def test_what_a_large_recipe_needs(capsys: pytest.CaptureFixture[str]) -> None:
    head, _ = shown(capsys, "imagenet1k/moco")
    assert "sslkit reproduce" not in head
    assert "devices 8 batch 256 images (8 x 32) an optimiser step" in head
    assert "data data/imagenet" in head


def test_what_is_left_to_the_user_is_not_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    head, config = shown(capsys, "images/simclr")
    assert "data yours: --data.source FOLDER" in head
    assert "sslkit fit --config images/simclr --data.source FOLDER" in head
    assert "source" not in config["data"]
    head, _ = shown(capsys, "small/linear_probe")
    assert "weights a checkpoint of yours: --model.checkpoint FILE" in head
    assert "sslkit fit --config small/linear_probe --model.checkpoint FILE" in head


def test_a_file_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    loggers = [
        {"class_path": f"pytorch_lightning.loggers.{name}", "init_args": {}}
        for name in ("MLFlowLogger", "CSVLogger")
    ]
    loggers[1]["init_args"] = {"save_dir": "x"}
    config = {
        "extends": "small/moco",
        "trainer": {"logger": loggers, "default_root_dir": "my runs", "accelerator": "gpu"},
        "model": {"init_args": {"encoder": {"init_args": {"weights": "start.pth"}}}},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(config))
    head, _ = shown(capsys, "mine.yaml")
    for words in (
        "card none",
        "data CIFAR10(root=data, train=True, download=True) (downloads it)",
        "weights the file start.pth",
        "extras pip install mlflow",
        "counted as 1 on gpu",
        "sslkit fit --config mine.yaml sslkit evaluate 'my runs/version_0'",
    ):
        assert words in head
    assert find_recipe("mine.yaml") == Path("mine.yaml")


def test_what_is_not_there_is_one_paragraph(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "show", "smal/moco"]) == 1
    assert "Did you mean small/moco" in " ".join(capsys.readouterr().err.split())
