from types import SimpleNamespace

import pytest
import torch

from sslkit.methods import SimCLR
from sslkit.methods.run_record import resume_record, write_record
from sslkit.nn import Encoder
from sslkit.nn.checkpoint import RECORD
from sslkit.views import SimCLRViews

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}


def method(folder, **changes):
    encoder = Encoder("resnet18", small_images=True, options=TINY, **changes)
    simclr = SimCLR(encoder=encoder, views=SimCLRViews(size=16))
    simclr._trainer = SimpleNamespace(
        ckpt_path=str(folder / "last.ckpt"), state=SimpleNamespace(fn=None)
    )
    return simclr


def written(simclr):
    checkpoint = {}
    write_record(simclr, checkpoint)
    return checkpoint


def test_counters_come_back_and_the_record_is_plain(tmp_path):
    simclr = method(tmp_path)
    simclr.batches_drawn = 17
    torch.save(written(simclr), tmp_path / "last.ckpt")
    again = method(tmp_path)
    resume_record(again, torch.load(tmp_path / "last.ckpt", weights_only=True))
    assert again.batches_drawn == 17


def test_another_architecture_method_or_tool_is_refused(tmp_path):
    checkpoint = written(method(tmp_path))
    with pytest.raises(ValueError, match=r"another architecture \(in_channels 3 in the checkpoint"):
        resume_record(method(tmp_path, in_channels=1), checkpoint)
    checkpoint[RECORD]["method"] = "BYOL"
    with pytest.raises(ValueError, match="the checkpoint is of BYOL and this run is of SimCLR"):
        resume_record(method(tmp_path), checkpoint)
    with pytest.raises(ValueError, match="not written by this toolkit"):
        resume_record(method(tmp_path), {})


def test_only_files_beside_the_checkpoint_are_remembered(tmp_path):
    simclr = method(tmp_path)
    own, elsewhere = str(tmp_path / "best.ckpt"), str(tmp_path.parent)
    checkpoint = written(simclr)
    checkpoint["callbacks"] = {
        "ModelCheckpoint{}": {
            "best_model_path": f"local://{own}",
            "kth_best_model_path": own,
            "last_model_path": elsewhere,
            "best_k_models": {own: 1.0, elsewhere: 2.0, f"file://{own}": 3.0},
        },
        "Other": {"weights": 1},
    }
    resume_record(simclr, checkpoint)
    state = checkpoint["callbacks"]["ModelCheckpoint{}"]
    assert (state["best_model_path"], state["last_model_path"]) == ("", "")
    assert state["kth_best_model_path"] == own
    assert list(state["best_k_models"]) == [own]
