"""Every plug-in on the command line, and refusals before anything is trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny import OPTIONS
from tiny_plugins import PLUGINS, spec

from sslkit.cli import main


def config(method, plugins, **arguments):
    encoder = {"name": "resnet18", "small_images": True, "options": OPTIONS}
    return {
        "trainer": {
            "max_epochs": 1,
            "enable_progress_bar": False,
            "logger": False,
            "default_root_dir": "runs",
        },
        "model": {
            "class_path": f"sslkit.methods.{method}",
            "init_args": {
                "encoder": {"class_path": "sslkit.nn.Encoder", "init_args": encoder},
                "views": {
                    "class_path": "sslkit.views.SimCLRViews",
                    "init_args": {"size": 16, "blur": False},
                },
                "plugins": plugins,
                **arguments,
            },
        },
        "data": {"source": "images.npz", "batch_size": 16},
    }


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Train a config in a folder of its own: exit status."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels)

    def run(values, *options):
        Path("plugins.yaml").write_text(yaml.safe_dump(values))
        return main(["fit", "--config", "plugins.yaml", *options])

    return run


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_trains_from_yaml(fit, name, caplog):
    scheduled = spec(name, schedule={"start": 1, "ramp": 2, "unit": "steps"})
    assert fit(config("MoCo", [scheduled], queue_size=32)) == 0
    (checkpoint,) = Path("runs").glob("**/last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 2
    assert f", with {name}" in caplog.text


def test_plugins_are_added_on_the_command_line(fit, capsys):
    added = ["--model.plugins+=sslkit.negatives.HardNegativeFilter", "--model.plugins.keep=5"]
    assert fit(config("SimCLR", [spec("ReweightNegatives")]), *added, "--print_config") == 0
    shown = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["plugins"]
    assert [plugin["class_path"].split(".")[-1] for plugin in shown] == [
        "ReweightNegatives",
        "HardNegativeFilter",
    ]
    assert shown[1]["init_args"]["keep"] == 5


REFUSED = [
    ("NNCLR", ["HardNegativeMixing"], "no gradient flows through the anchors"),
    ("MoCo", ["HardNegativeMixing", "PositiveExtrapolation"], "PositiveExtrapolation above"),
]


@pytest.mark.parametrize(("method", "names", "message"), REFUSED)
def test_impossible_pairings_are_refused_with_the_reason(fit, capsys, method, names, message):
    assert fit(config(method, [spec(name) for name in names])) == 1
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error
    assert not Path("runs").exists()


@pytest.mark.parametrize("method", ["BYOL", "BarlowTwins", "WMSE", "DualViewMoCo"])
def test_methods_without_pairs_take_no_plugins(fit, capsys, method):
    assert fit(config(method, [spec("ReweightNegatives")])) != 0
    assert "plugins" in capsys.readouterr().err
    assert not Path("runs").exists()
