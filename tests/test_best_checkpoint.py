import os
from pathlib import Path

import pytest
import torch
from runs import cnn

from sslkit.best_checkpoint import best_checkpoints
from sslkit.nn.checkpoint import FORMAT


def write(path: Path, *, age: int, best: dict[str, str] | None = None) -> Path:
    """A checkpoint that knows of the best ones by some figures, and was written so long ago."""
    path.parent.mkdir(exist_ok=True)
    callbacks = {
        f"ModelCheckpoint{{'monitor': {monitor!r}}}": {"monitor": monitor, "best_model_path": file}
        for monitor, file in (best or {}).items()
    }
    callbacks["LastCheckpoint"] = {"monitor": None, "best_model_path": "/x/last.ckpt"}
    callbacks["OnlineProbe"] = {"weights": torch.zeros(1)}
    record = {"format": FORMAT, "version": "0.1", "method": "SimCLR", "encoder": cnn().spec()}
    torch.save({"sslkit": record, "state_dict": {}, "callbacks": callbacks}, path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_what_the_newest_checkpoint_says_counts(tmp_path):
    best = write(tmp_path / "epoch=1.ckpt", age=20)
    last = write(tmp_path / "last.ckpt", age=5, best={"val/knn": "/elsewhere/epoch=1.ckpt"})
    assert best_checkpoints(last) == {"val/knn": best}
    # Saved in the same epoch, but later than the last one.
    final = write(tmp_path / "epoch=2.ckpt", age=1, best={"val/knn": "/elsewhere/epoch=2.ckpt"})
    assert best_checkpoints(last) == {"val/knn": final}


def test_nothing_outside_of_the_folder_and_not_the_last_one_itself(tmp_path):
    stranger = write(tmp_path / "other" / "stolen.ckpt", age=0)
    folder = tmp_path / "checkpoints"
    last = write(folder / "last.ckpt", age=0, best={"loss": str(stranger), "knn": "/x/last.ckpt"})
    assert best_checkpoints(last) == {}
    write(folder / "own.ckpt", age=9)
    assert best_checkpoints(last) == {}


def test_an_unmonitored_or_damaged_neighbour(tmp_path):
    last = write(tmp_path / "last.ckpt", age=0)
    other = write(tmp_path / "own.ckpt", age=9)
    assert best_checkpoints(last) == {}
    other.write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"own.ckpt cannot be read"):
        best_checkpoints(last)
