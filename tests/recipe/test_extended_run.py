"""A run of a recipe that extends another leaves a config that stands alone."""

from pathlib import Path

import pytest
import yaml

from sslkit.cli import main


@pytest.mark.slow
def test_the_config_of_the_run_needs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("recipes")
    folder.mkdir()
    (folder / "base.yaml").write_text(
        "extends: quickstart\nevaluate: false\ntrainer: {max_epochs: 1, callbacks: null}\n"
    )
    (folder / "mine.yaml").write_text(
        "extends: base.yaml\n"
        "recipe: {name: mine, method: SimCLR, dataset: d, summary: s, seed: 0, status: untested}\n"
        "trainer: {limit_train_batches: 2, accelerator: cpu, enable_progress_bar: false}\n"
    )
    assert main(["fit", "--config", "recipes/mine.yaml"]) == 0
    written = Path("runs/mine/version_0/config.yaml").read_text()
    for file in folder.iterdir():
        file.unlink()
    assert "extends" not in yaml.safe_load(written)
    alone = Path("alone.yaml")
    alone.write_text(written)
    assert main(["recipe", "check", "alone.yaml"]) == 0
    assert main(["fit", "--config", "alone.yaml"]) == 0
    assert Path("runs/mine/version_1/config.yaml").read_text() == written
    assert main(["evaluate", "runs/mine/version_1", "--train_images=99", "--test_images=50"]) == 0
