"""Files of `sslkit export`, loaded as their card says, by the library alone."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
from runs import RESNET, cnn, settled, vit, written_run
from safetensors import safe_open
from torch import Tensor

from sslkit.cli import main
from sslkit.data.embedded import quickstart_splits
from sslkit.nn import Encoder


def images_for(encoder: Encoder) -> Tensor:
    """Photographs, normalised by hand."""
    grey = quickstart_splits()["train"].tensor(6)
    images = grey.expand(-1, encoder.in_channels, -1, -1).float() / 255
    mean, std = (x.view(-1, 1, 1) for x in (encoder.mean, encoder.std))
    return (images - mean) / std


def shown(card: Path, words: str) -> str:
    """The Python that a card shows."""
    code = re.findall(r"```python\n(.*?)\n```", card.read_text(), re.DOTALL)
    (found,) = [text for text in code if words in text]
    return found


def run_shown(card: Path, words: str, monkeypatch: pytest.MonkeyPatch, **given: object) -> dict:
    folder = card.parent.parent if card.name == "README.md" else card.parent
    monkeypatch.chdir(folder)
    names: dict = dict(given)
    exec(shown(card, words), names)
    return names


def exported(encoder: Encoder, to: str, out: Path) -> Path:
    run = written_run(out.parent / "run", encoder)
    assert main(["export", str(run), "--to", to, "--out", str(out)]) == 0
    assert sorted(p.name for p in out.parent.iterdir() if p.name.startswith(".")) == []
    card = out / "README.md" if out.is_dir() else out.with_name(f"{out.name}.md")
    modes = {p.stat().st_mode for p in (out.iterdir() if out.is_dir() else [out])}
    assert modes == {card.stat().st_mode}
    return out


def same(encoder: Encoder, theirs: Tensor) -> None:
    with torch.no_grad():
        own = encoder(images_for(encoder))
    assert theirs.shape == own.shape and own.std(0).max() > 1e-3
    torch.testing.assert_close(theirs, own, rtol=1e-5, atol=1e-5)


def wide() -> Encoder:
    return settled(Encoder("resnet18", small_images=True, image_size=28, options=RESNET))


def plain_stem() -> Encoder:
    return settled(Encoder("resnet18", image_size=28, options=RESNET))


def grey_stem() -> Encoder:
    return settled(Encoder("resnet18", image_size=28, in_channels=1, options=RESNET))


def bottlenecks() -> Encoder:
    return settled(Encoder("resnext50_32x4d", image_size=28, options=RESNET))


@pytest.mark.parametrize("build", [cnn, vit, plain_stem])
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@torch.no_grad()
def test_plain_timm(build, ending: str, tmp_path: Path, monkeypatch) -> None:
    encoder = build()
    out = exported(encoder, "timm", tmp_path / f"encoder.{ending}")
    names = run_shown(tmp_path / f"{out.name}.md", "import timm", monkeypatch)
    same(encoder, names["model"](images_for(encoder)))
    assert names["model"].state_dict().keys() == encoder.backbone.state_dict().keys()
    assert not any("sslkit" in line for line in shown(tmp_path / f"{out.name}.md", "timm").split())


@pytest.mark.parametrize("build", [wide, plain_stem, grey_stem, bottlenecks, vit])
@torch.no_grad()
def test_torchvision(build, tmp_path: Path, monkeypatch) -> None:
    encoder = build()
    exported(encoder, "torchvision", tmp_path / "encoder.pth")
    names = run_shown(tmp_path / "encoder.pth.md", "import torch", monkeypatch)
    assert type(names["model"]).__module__.startswith("torchvision.models")
    same(encoder, names["model"](images_for(encoder)))


@pytest.mark.slow
@pytest.mark.parametrize("build", [cnn, vit])
def test_onnxruntime(build, tmp_path: Path, monkeypatch) -> None:
    encoder = build()
    out = exported(encoder, "onnx", tmp_path / "encoder.onnx")
    images = images_for(encoder).numpy()
    names = run_shown(tmp_path / "encoder.onnx.md", "onnxruntime", monkeypatch, images=images)
    same(encoder, torch.from_numpy(names["features"]))
    about = {p.key: p.value for p in onnx.load(str(out)).metadata_props}
    np.testing.assert_allclose(json.loads(about["std"]), encoder.std)
    assert not list(tmp_path.glob("*.data"))


@pytest.mark.parametrize(
    "build", [cnn, vit, lambda: cnn(norm="group", options={**RESNET, "channels": [16] * 4})]
)
@torch.no_grad()
def test_safetensors(build, tmp_path: Path, monkeypatch) -> None:
    encoder = build()
    out = exported(encoder, "safetensors", tmp_path / "encoder.safetensors")
    names = run_shown(tmp_path / f"{out.name}.md", "from sslkit", monkeypatch)
    same(encoder, names["encoder"](images_for(encoder)))
    with safe_open(out, framework="pt") as file:
        about = json.loads(file.metadata()["sslkit"])
    assert about["encoder"] == encoder.spec()
    torch.testing.assert_close(torch.tensor(about["mean"]), encoder.mean)


@torch.no_grad()
def test_a_folder_for_the_hub(tmp_path: Path, monkeypatch) -> None:
    encoder = vit()
    out = exported(encoder, "hf", tmp_path / "encoder")
    assert sorted(p.name for p in out.iterdir()) == [
        "README.md",
        "config.json",
        "config.yaml",
        "evaluation.json",
        "model.safetensors",
    ]
    names = run_shown(out / "README.md", "local-dir", monkeypatch)
    same(encoder, names["model"](images_for(encoder)))
    data = timm.data.resolve_model_data_config(names["model"])
    assert data["input_size"] == (3, 28, 28) and data["crop_pct"] == 1.0
    np.testing.assert_allclose(data["mean"], encoder.mean, rtol=1e-6)
    np.testing.assert_allclose(data["std"], encoder.std, rtol=1e-6)
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: timm\n")


@torch.no_grad()
def test_a_small_stem_in_a_folder_for_the_hub(tmp_path: Path, monkeypatch) -> None:
    encoder = cnn()
    out = exported(encoder, "hf", tmp_path / "encoder")
    names = run_shown(out / "README.md", "import timm", monkeypatch)
    same(encoder, names["model"](images_for(encoder)))
    with pytest.raises(RuntimeError, match=r"conv1\.weight"):  # loud, for who reads no cards
        timm.create_model(f"local-dir:{out}", pretrained=True)


def test_a_card_says_how_where_from_and_how_good(tmp_path: Path) -> None:
    exported(cnn(), "timm", tmp_path / "encoder.safetensors")
    card = (tmp_path / "encoder.safetensors.md").read_text()
    for words in (
        "trained without labels with SimCLR (sslkit 0.1)",
        "| mean | [0.28] |",
        "| std | [0.35] |",
        "| size | 28 x 28 pixels |",
        "| encoder | kNN (20) | linear |\n| --- | ---: | ---: |\n| pretrained | 78.3 % | 83.9 % |",
        "5,000 training and 1,000 test images, 10 classes",
        "- linear: logistic regression on frozen features",
        "```yaml\nmodel:\n  class_path: sslkit.methods.SimCLR\nevaluate: true\n",
        "stem for small images",
    ):
        assert words in card, words
