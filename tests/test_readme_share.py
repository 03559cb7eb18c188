"""The commands of the README's section on sharing a recipe, as they stand there."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from readme import block
from runs import cnn, written_run

from sslkit.cli import main
from sslkit.configs.finding import user_recipes


def test_the_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    pack, add, reproduce = (
        shlex.split(line, comments=True)[1:]
        for line in block("bash", "sslkit recipe pack").splitlines()
    )
    run = written_run(Path(pack[2]), cnn())
    config = yaml.safe_load((run / "config.yaml").read_text())
    config |= {"seed_everything": 0, "data": {"source": "quickstart"}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    costs = {"seconds": 60, "device": "cpu, 1 thread", "ranks": 1}
    (run / "costs.json").write_text(json.dumps(costs))
    (run / "environment.json").write_text('{"packages": {"sslkit": "0.1.0"}}')
    report = json.loads((run / "evaluation.json").read_text())
    report["rows"][0]["intervals"] = {"linear": [0.8, 0.9]}
    evaluation = json.dumps(report)
    (run / "evaluation.json").write_text(evaluation)
    assert main(pack) == 0
    assert Path(add[2]).is_file()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert main(add) == 0
    assert user_recipes() == [reproduce[1]]
    assert (tmp_path / "mine/first_run.safetensors").is_file()

    def trained(command: list[str], **_: Any) -> SimpleNamespace:
        folder = Path(command[command.index("--trainer.default_root_dir") + 1], "version_0")
        folder.mkdir()
        (folder / "evaluation.json").write_text(evaluation)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("sslkit.reproduce.subprocess.run", trained)
    assert main(reproduce) == 0
    assert "linear │ 83.90 % │" in capsys.readouterr().out
    export, evaluate = (
        shlex.split(line, comments=True)[1:]
        for line in block("bash", "sslkit export user/").splitlines()
    )
    assert main(export) == 0
    assert Path(export[-1]).is_file()
    assert main([*evaluate, "--train_images", "300", "--test_images", "60", "--no_cache"]) == 0
    (folder,) = Path("runs/evaluated/first_run").iterdir()
    assert (folder / "evaluation.json").is_file()
