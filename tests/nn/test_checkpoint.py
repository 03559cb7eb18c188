import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from sslkit.nn import Encoder, load_encoder, read_checkpoint
from sslkit.nn.checkpoint import FORMAT

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}


def encoder(**changes) -> Encoder:
    return Encoder("resnet18", small_images=True, options=TINY, **changes)


def written(path: Path, *, record: Any = None, spec: dict | None = None, state: Any = None) -> Path:
    """A checkpoint as a run writes it, with some of its parts replaced."""
    model = encoder()
    model.set_statistics([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    good = {"format": FORMAT, "version": "0.0", "encoder": {**model.spec(), **(spec or {})}}
    weights = {f"encoder.{name}": tensor for name, tensor in model.state_dict().items()}
    weights["projector.layers.0.weight"] = torch.zeros(2)
    torch.save(
        {
            "sslkit": good if record is None else {**good, **record},
            "state_dict": weights if state is None else state(weights),
        },
        path,
    )
    return path


def test_the_encoder_comes_back_in_eval_mode(tmp_path: Path) -> None:
    path = written(tmp_path / "last.ckpt")
    loaded = load_encoder(path)
    state = read_checkpoint(path)["state_dict"]
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, state[f"encoder.{name}"]), name
    torch.testing.assert_close(loaded.mean, torch.tensor([0.1, 0.2, 0.3]))


def test_a_checkpoint_of_a_run_in_16_bits_loads_in_32(tmp_path: Path) -> None:
    path = written(
        tmp_path / "last.ckpt",
        state=lambda weights: {n: x.bfloat16() for n, x in weights.items()},
    )
    assert {p.dtype for p in load_encoder(path).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"record": {"format": FORMAT + 1}}, r"format 2 .* reads up to 1.*version 0\.0"),
        ({"record": {"format": "1"}}, "damaged 'sslkit' record"),
        ({"record": {"format": True}}, "damaged 'sslkit' record"),
        ({"record": {"format": None}}, "damaged 'sslkit' record"),
        ({"record": {"encoder": "resnet18"}}, "not written by a run of this toolkit"),
        ({"record": {"encoder": None}}, "not written by a run of this toolkit"),
        ({"record": {"encoder": {}}}, r"cannot be built: .*no name"),
        ({"spec": {"command": "rm"}}, r"cannot be built: .*unknown entry command"),
        ({"spec": {1: 2}}, "unknown entry 1"),
        ({"spec": {"weights": "/etc/passwd"}}, "unknown entry weights"),
        ({"spec": {"name": 7}}, "name = 7"),
        ({"spec": {"in_channels": "3"}}, "in_channels = '3'"),
        ({"spec": {"small_images": 1}}, "small_images = 1"),
        ({"spec": {"options": [1]}}, r"options = \[1\]"),
        ({"spec": {"norm": "none"}}, "norm must be"),
        ({"spec": {"name": "hf-hub:someone/model"}}, "no model 'hf-hub:someone/model'"),
        ({"spec": {"name": "hf_hub:someone/model"}}, "no model"),
        ({"spec": {"name": "local-dir:/tmp"}}, "no model"),
        ({"spec": {"name": "resnet18.hf-hub:someone/model"}}, "no model"),
        ({"spec": {"name": "resnet18.no_such_tag"}}, "Invalid pretrained tag"),
        ({"spec": {"options": {"pretrained": True}}}, "may not contain pretrained"),
        ({"spec": {"options": {"features_only": True}}}, "may not contain features_only"),
        ({"spec": {"options": {"layers": None, "block": 3}}}, "cannot be built with"),
        ({"spec": {"small_images": False}}, r"not of the encoder.*1 have another shape"),
        ({"state": lambda w: {}}, r"not of the encoder.*tensors are missing"),
        ({"state": lambda w: {**w, "encoder.extra": torch.zeros(1)}}, "1 are unknown"),
        ({"state": lambda w: {**w, "encoder.mean": 3}}, "1 have another shape"),
        ({"state": lambda w: {**w, 5: 3, "encoder.mean": None}}, "1 have another shape"),
        ({"state": lambda w: [1]}, "no weights"),
    ],
)
def test_odd_records_are_refused(changes: dict, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "odd.ckpt", **changes)
    with pytest.raises(ValueError, match=rf"(?s)checkpoint: .*odd\.ckpt.*{message}"):
        load_encoder(path)


class Hostile:
    def __reduce__(self) -> tuple:
        return print, ("ran",)


@pytest.mark.parametrize("content", ["hostile", "text", "empty", "tensor", "no record"])
def test_other_files_are_refused_in_one_sentence(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "other.ckpt"
    if content == "hostile":
        path.write_bytes(pickle.dumps({"sslkit": Hostile()}, protocol=2))
    elif content in ("text", "empty"):
        path.write_text("hello\n" if content == "text" else "")
    else:
        torch.save(torch.zeros(2) if content == "tensor" else {"state_dict": {}}, path)
    with pytest.raises(ValueError, match=r"checkpoint: .*other\.ckpt") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert "ran" not in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="no file"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_an_encoder_alone_is_no_state_to_go_on_from(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.touch()
    with pytest.raises(ValueError, match=r"an encoder alone.*--model\.encoder\.weights"):
        read_checkpoint(path)
