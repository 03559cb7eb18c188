"""The command: what it refuses, and that it leaves nothing behind when it does."""

import json
import os
import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from readme import block, blocks
from runs import RESNET, cnn, settled, vit, written_run

from sslkit.arguments import export_parser
from sslkit.cli import main
from sslkit.interchange import TARGETS, open_target
from sslkit.interchange.comparison import largest_difference
from sslkit.nn import Encoder


def failed(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    assert main(["export", *arguments]) == 1
    return " ".join(capsys.readouterr().err.split())


def test_the_choices_are_the_targets() -> None:
    (to,) = [a for a in export_parser()._actions if a.dest == "to"]
    assert tuple(to.choices or ()) == tuple(TARGETS)


@pytest.mark.parametrize(
    ("to", "out", "message"),
    [
        ("timm", "encoder.onnx", r"must end in \.safetensors or \.pth"),
        ("onnx", "encoder", r"must end in \.onnx"),
        ("timm", "folder.pth", r"is a folder: name a file"),
        ("hf", "full", r"not an empty folder"),
        ("hf", "file", r"not an empty folder"),
    ],
)
def test_a_place_that_does_not_do(to: str, out: str, message: str, tmp_path: Path, capsys) -> None:
    run = written_run(tmp_path / "run", cnn())
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    error = failed(capsys, str(run), "--to", to, "--out", str(tmp_path / out))
    assert re.search(message, error), error
    assert sorted(tmp_path.rglob("*")) == before


def test_networks_that_the_library_does_not_have(tmp_path: Path, capsys) -> None:
    group = cnn(norm="group", options={**RESNET, "channels": [16] * 4})
    run = str(written_run(tmp_path / "group", group))
    for to, out in (("timm", "a.pth"), ("hf", "a"), ("torchvision", "a.pth")):
        assert "no resnet18 with group normalisation" in failed(
            capsys, run, "--to", to, "--out", str(tmp_path / out)
        )
    run = str(written_run(tmp_path / "narrow", cnn()))
    out = str(tmp_path / "a.pth")
    assert "widths (8, 8, 16, 16)" in failed(capsys, run, "--to", "torchvision", "--out", out)
    pooled = vit(options={**vit().options, "global_pool": "avg"})
    run = str(written_run(tmp_path / "pooled", pooled))
    assert "no counterpart" in failed(capsys, run, "--to", "torchvision", "--out", out)
    deep = settled(Encoder("resnet18d", image_size=32, options=RESNET))
    run = str(written_run(tmp_path / "deep", deep))
    assert "no counterpart" in failed(capsys, run, "--to", "torchvision", "--out", out)
    assert "no counterpart" in failed(capsys, run, "--to", "detectron2", "--out", out)
    convnext = Encoder("convnext_atto", image_size=32, options={"depths": [1] * 4, "dims": [8] * 4})
    run = str(written_run(tmp_path / "convnext", convnext))
    assert "such a network (ConvNeXt)" in failed(capsys, run, "--to", "torchvision", "--out", out)
    assert not Path(out).exists()


def test_other_features_are_not_written(tmp_path: Path, capsys, monkeypatch) -> None:
    """An activation is not in the tensors: the names fit and the features do not."""
    other = settled(Encoder("resnet18", image_size=28, options={**RESNET, "act_layer": "gelu"}))
    run, out = written_run(tmp_path / "run", other), tmp_path / "a.pth"
    out.write_text("an earlier export")
    error = failed(capsys, str(run), "--to", "torchvision", "--out", str(out))
    assert "differ from sslkit's by" in error and "Nothing was written" in error
    assert out.read_text() == "an earlier export"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pth", "run"]


def test_the_comparison_looks_at_every_feature() -> None:
    encoder = cnn()

    def with_one_off(images: torch.Tensor) -> torch.Tensor:
        features = encoder(images).clone()
        features[0, 3] += 3e-5 * max(1.0, float(features.abs().max()))
        return features

    with pytest.raises(ValueError, match=r"differ from sslkit's by 3e-05"):
        largest_difference(encoder, with_one_off, "a test")
    with pytest.raises(ValueError, match="or not all of them are numbers"):
        largest_difference(encoder, lambda images: encoder(images)[:, :3], "a test")
    assert largest_difference(encoder, encoder, "itself") < 1e-6


def test_an_evaluation_of_another_state_is_left_out(tmp_path: Path, capsys) -> None:
    run, out = written_run(tmp_path / "run", cnn()), tmp_path / "a.pth"
    checkpoint = run / "checkpoints" / "last.ckpt"
    later = checkpoint.stat().st_mtime + 3600
    os.utime(checkpoint, (later, later))
    arguments = ["export", str(checkpoint), "--to", "timm", "--out", str(out)]
    assert main(arguments) == 0
    assert "is older than the checkpoint" in capsys.readouterr().out
    assert "## Evaluation" not in out.with_name("a.pth.md").read_text()
    report = json.loads((run / "evaluation.json").read_text())
    (run / "evaluation.json").write_text(json.dumps(report | {"checkpoint": "epoch=3.ckpt"}))
    assert main(arguments) == 0
    assert "is of epoch=3.ckpt" in capsys.readouterr().out
    (run / "evaluation.json").unlink()
    assert main(arguments) == 0
    assert "`sslkit evaluate` makes one" in capsys.readouterr().out
    (run / "evaluation.json").write_text("[]")
    assert "not an evaluation" in failed(capsys, *arguments[1:])


def test_a_missing_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr(
        "sslkit.interchange.targets.importlib.util.find_spec",
        lambda name: None if name.startswith("onnx") else 1,
    )
    with pytest.raises(ValueError, match=r"needs onnx and onnxscript.*sslkit\[export\]"):
        open_target("onnx")
    with pytest.raises(ValueError, match="must be one of timm, torchvision"):
        open_target("keras")
    assert open_target("timm").library == "timm"


PRIVATE = """\
recipe: {name: birds, method: SimCLR, dataset: birds, summary: A test., seed: 0, status: untested}
trainer: {default_root_dir: /home/me/runs, logger: {class_path: x, init_args: {dir: /home/me/l}}}
model:
  class_path: sslkit.methods.SimCLR
  init_args: {encoder: {init_args: {weights: /home/me/start.pth}}}
data: {source: /home/me/photos, val_source: ~/more, batch_size: 8}
"""


def test_nothing_says_where_the_run_was(tmp_path: Path) -> None:
    run, out = written_run(tmp_path / "run", cnn()), tmp_path / "out"
    (run / "config.yaml").write_text(PRIVATE)
    report = json.loads((run / "evaluation.json").read_text())
    report["data"]["data"] = "/home/me/photos"
    (run / "evaluation.json").write_text(json.dumps(report))
    assert main(["export", str(run), "--to", "hf", "--out", str(out)]) == 0
    for file in out.iterdir():
        content = file.read_bytes()
        for private in (b"/home/me", b"~/more", str(tmp_path).encode()):
            assert private not in content, file
    text = (out / "config.yaml").read_text()
    assert "# data.source is left out (photos): others give --data.source FOLDER." in text
    assert text in (out / "README.md").read_text()
    config = yaml.safe_load(text)
    assert config["recipe"]["name"] == "birds" and config["data"]["batch_size"] == 8
    assert config["model"]["init_args"]["encoder"]["init_args"]["weights"] == "start.pth"
    assert json.loads((out / "evaluation.json").read_text())["data"]["data"] == "photos"


def test_a_damaged_config_is_named(tmp_path: Path, capsys) -> None:
    run = written_run(tmp_path / "run", cnn())
    (run / "config.yaml").write_text("[" * 100)
    out = str(tmp_path / "a.pth")
    assert "config.yaml is no config" in failed(capsys, str(run), "--to", "timm", "--out", out)


@pytest.mark.slow
@torch.no_grad()
def test_the_two_lines_of_the_readme(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = [text for text in blocks("bash") if "sslkit export runs" in text]
    arguments = shlex.split(command)[1:]
    encoder = settled(Encoder("resnet50", image_size=64))
    written_run(Path(arguments[1]), encoder)
    assert main(arguments) == 0
    code = block("python", "timm.create_model")
    assert len(code.split("\n\n")) == 2  # an import and a line
    names: dict = {}
    exec(code, names)
    images = torch.rand(2, 3, 64, 64)
    model = names["model"].eval()
    torch.testing.assert_close(model(images), encoder(images), rtol=1e-5, atol=1e-5)
