"""Every named method, from YAML with nothing but a network and views, means its constructor."""

from pathlib import Path

import pytest
import yaml
from tiny import PRETRAINING

from sslkit import methods
from sslkit.cli import main

NAMED = sorted(PRETRAINING)


@pytest.mark.parametrize("name", NAMED)
def test_config_shows_the_constructors_defaults(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    model = {
        "class_path": f"sslkit.methods.{name}",
        "init_args": {
            "encoder": {"class_path": "sslkit.nn.Encoder", "init_args": {"name": "resnet18"}},
            "views": {"class_path": "sslkit.views.WMSEViews", "init_args": {"views": 3}},
        },
    }
    config = {"model": model, "data": {"source": "quickstart", "batch_size": 8}}
    Path("method.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "method.yaml", "--print_config"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)["model"]
    assert shown["class_path"] == model["class_path"]
    defaults = getattr(methods, name).__init__.__kwdefaults__
    given = {"encoder", "views"}
    assert shown["init_args"].keys() == defaults.keys()
    for argument in defaults.keys() - given:
        assert shown["init_args"][argument] == defaults[argument]
