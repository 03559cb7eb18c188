"""Encoders from files with tensors alone: a pack's, and those of an export."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sslkit.interchange.safetensors_file import SafetensorsFile
from sslkit.nn import Encoder, load_encoder
from sslkit.nn.trained_file import PACKED

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}


def encoder() -> Encoder:
    return Encoder("resnet18", small_images=True, options=TINY)


def packed(folder: Path, **changes: Any) -> Path:
    """Tensors and their description as a pack leaves them, with some of the latter replaced."""
    model = encoder()
    about = {"version": PACKED, "encoder": model.spec(), "mean": [0.1] * 3, "std": [0.2] * 3}
    (folder / "a.json").write_text(json.dumps(about | changes))
    state = {name: x.contiguous() for name, x in model.backbone.state_dict().items()}
    save_file(state, folder / "a.safetensors")
    return folder / "a.safetensors"


def test_a_packed_encoder_is_read_with_what_is_beside_it(tmp_path: Path) -> None:
    loaded = load_encoder(packed(tmp_path))
    assert not loaded.training and loaded.mean.tolist() == pytest.approx([0.1] * 3)
    assert loaded.std.tolist() == pytest.approx([0.2] * 3)
    assert loaded.spec() == encoder().spec()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"encoder": []},
        {"encoder": {"name": "resnet18", "weights": "/etc/passwd"}},
        {"encoder": {"name": "hf-hub:a/b"}},
        {"encoder": {"name": "resnet18"}},
        {"mean": [0.1]},
        {"mean": "x"},
        {"std": None},
    ],
)
def test_a_packed_encoder_with_another_description_is_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"a\.json does not describe the encoder of .*a\.saf"):
        load_encoder(packed(tmp_path, **changes))


def test_a_packed_encoder_needs_both_files(tmp_path: Path) -> None:
    path = packed(tmp_path)
    for text in ("[]", "{", "[" * 100_000, ""):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ValueError, match="does not describe"):
            load_encoder(path)
    for name in ("a.json", "a.safetensors"):
        packed(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(FileNotFoundError, match=rf"no file .*{name}"):
            load_encoder(path)


def test_a_file_that_describes_itself_needs_no_other(tmp_path: Path) -> None:
    model = encoder()
    model.set_statistics([0.1] * 3, [0.2] * 3)
    path = tmp_path / "encoder.safetensors"
    SafetensorsFile().write(model, path)
    loaded = load_encoder(path)
    assert loaded.spec() == model.spec() and not loaded.training
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize("header", ["{", "[]", '{"encoder": {"name": "hf-hub:a/b"}}'])
def test_a_file_that_describes_itself_badly_is_refused(header: str, tmp_path: Path) -> None:
    state = {name: x.contiguous() for name, x in encoder().backbone.state_dict().items()}
    save_file(state, tmp_path / "a.safetensors", metadata={"sslkit": header})
    with pytest.raises(ValueError, match=r"the header of .*a\.safetensors does not describe"):
        load_encoder(tmp_path / "a.safetensors")


class Hostile:
    def __reduce__(self) -> tuple:
        return print, ("ran",)


def test_a_pickle_under_the_name_of_tensors_is_not_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = packed(tmp_path)
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match=r"a\.safetensors cannot be read as tensors"):
        load_encoder(path)
    torch.save({"state_dict": Hostile()}, path)
    with pytest.raises(ValueError, match=r"a\.safetensors cannot be read as tensors"):
        load_encoder(path)
    assert "ran" not in capsys.readouterr().out
