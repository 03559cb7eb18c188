import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from sslkit.nn import Encoder

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}
VIT = {"depth": 1, "embed_dim": 24, "num_heads": 2}


def resnet(path: Path, **changes) -> Encoder:
    return Encoder("resnet18", weights=path, **{"options": TINY, **changes})


def test_a_state_dict_of_timm_or_torchvision(tmp_path: Path) -> None:
    source = timm.create_model("resnet18", num_classes=7, **TINY)
    torch.save(source.state_dict(), tmp_path / "timm.pth")
    torch.save({"state_dict": source.state_dict()}, tmp_path / "wrapped.pth")
    save_file(source.state_dict(), tmp_path / "timm.safetensors")
    for name in ("timm.pth", "wrapped.pth", "timm.safetensors"):
        encoder = resnet(tmp_path / name)
        for tensor, value in encoder.backbone.state_dict().items():
            assert torch.equal(value, source.state_dict()[tensor]), tensor


def test_a_checkpoint_of_this_toolkit_without_its_other_parts(tmp_path: Path) -> None:
    source = Encoder("resnet18", options=TINY)
    state = {f"encoder.{name}": tensor for name, tensor in source.state_dict().items()}
    state["projector.layers.0.weight"] = torch.zeros(2)
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    encoder = resnet(tmp_path / "last.ckpt")
    for name, value in encoder.backbone.state_dict().items():
        assert torch.equal(value, source.backbone.state_dict()[name]), name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deit_tiny_distilled_patch16_224", VIT),  # two classifiers
        ("levit_128s", {"depth": [1, 1, 1]}),  # a normalisation goes with each of the two
        ("regnetx_002", {}),  # within a head
    ],
)
def test_classifiers_are_left_aside(name: str, options: dict, tmp_path: Path) -> None:
    source = timm.create_model(name, **options)
    torch.save(source.state_dict(), tmp_path / "timm.pth")
    encoder = Encoder(name, weights=tmp_path / "timm.pth", options=options)
    assert len(encoder.backbone.state_dict()) < len(source.state_dict())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"small_images": True}, r"1 have another shape \(first conv1\.weight\)"),
        ({"in_channels": 1}, r"1 have another shape \(first conv1\.weight\)"),
        ({"options": {**TINY, "layers": [1, 1, 1, 2]}}, r"12 of its \d+ tensors are missing"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict, message: str, tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet18", **TINY).state_dict(), tmp_path / "timm.pth")
    with pytest.raises(ValueError, match=rf"timm\.pth does not fit.*{message}.*Check the encoder"):
        resnet(tmp_path / "timm.pth", **arguments)


def test_a_deeper_network_is_not_taken_for_a_shallow_one(tmp_path: Path) -> None:
    deep = timm.create_model("resnet34", layers=[1, 1, 1, 2], channels=TINY["channels"])
    torch.save(deep.state_dict(), tmp_path / "resnet34.pth")
    message = r"resnet34\.pth does not fit.*12 are unknown \(first layer4\.1\.conv1\.weight\)"
    with pytest.raises(ValueError, match=message):
        resnet(tmp_path / "resnet34.pth")


class Hostile:
    def __reduce__(self) -> tuple:
        return print, ("ran",)


@pytest.mark.parametrize("content", ["hostile", "text", "empty", "tensor", "list", "no tensors"])
def test_other_files_are_refused_in_one_sentence(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "weights.pth"
    if content == "hostile":
        path.write_bytes(pickle.dumps(Hostile(), protocol=2))
    elif content in ("text", "empty"):
        path.write_text("hello\n" if content == "text" else "")
    else:
        torch.save({"tensor": torch.zeros(2), "list": [1], "no tensors": {"a": 1}}[content], path)
    with pytest.raises(ValueError, match=r"weights: .*weights\.pth") as caught:
        resnet(path)
    assert "\n" not in str(caught.value)
    assert "ran" not in capsys.readouterr().out


def test_a_damaged_safetensors_file_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"12345678901234567890")
    with pytest.raises(ValueError, match=r"a\.safetensors cannot be read"):
        resnet(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match="no file"):
        resnet(tmp_path / "none.pth")
