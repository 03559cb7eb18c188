"""The commands and the override of the README's section on recipes run as they stand there."""

import shlex
from pathlib import Path

import pytest
import yaml
from readme import block

from sslkit.cli import main


def test_the_recipe_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = block("bash", "sslkit recipe show").splitlines()
    assert len(commands) == 6
    for command in commands:
        assert main(shlex.split(command, comments=True)[1:]) == 0, command
    assert "They mean the same" in capsys.readouterr().out


def test_the_override_is_a_recipe_with_another_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("longer_queue.yaml").write_text(block("yaml", "# longer_queue.yaml"))
    assert main(["recipe", "diff", "small/moco", "longer_queue.yaml"]) == 0
    assert capsys.readouterr().out.splitlines()[4:] == ["model.queue_size: 4096 -> 8192"]
    assert main(["fit", "--config", "longer_queue.yaml", "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["queue_size"] == 8192
