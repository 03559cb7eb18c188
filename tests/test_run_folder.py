import os

import pytest
import torch

from sslkit.run_folder import AtomicCheckpointIO, RunFolder, run_of


def checkpoint(root, run, name="last.ckpt", age=0):
    path = root / run / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_a_new_run_takes_the_next_version(tmp_path):
    chosen = RunFolder.choose(tmp_path / "runs", None)
    assert (chosen.version, chosen.checkpoint) == (None, None)
    (tmp_path / "runs/version_0").mkdir(parents=True)
    assert chosen.logger().log_dir == str(tmp_path / "runs/version_1")


def test_last_is_the_newest_checkpoint_of_any_run(tmp_path):
    checkpoint(tmp_path, "version_1", age=20)
    newest = checkpoint(tmp_path, "version_0", "middle.ckpt", age=5)
    checkpoint(tmp_path, "version_0", age=10)
    chosen = RunFolder.choose(tmp_path, "last")
    assert (chosen.version, chosen.checkpoint) == ("version_0", newest)
    assert chosen.logger().log_dir == str(tmp_path / "version_0")


def test_a_checkpoint_from_elsewhere_starts_a_folder_of_its_own(tmp_path):
    path = checkpoint(tmp_path / "other", "version_3")
    chosen = RunFolder.choose(tmp_path / "runs", str(path))
    assert (chosen.version, chosen.checkpoint) == (None, path)


def test_nothing_to_resume_from(tmp_path):
    for ckpt_path, message in (("last", "no checkpoint to resume from"), ("x.ckpt", "no file")):
        with pytest.raises(FileNotFoundError, match=message):
            RunFolder.choose(tmp_path, ckpt_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"cannot be written.*default_root_dir"):
        RunFolder.choose(tmp_path / "file" / "runs", None)


def test_the_run_of_a_checkpoint(tmp_path):
    assert run_of(tmp_path / "version_0/checkpoints/last.ckpt") == tmp_path / "version_0"
    assert run_of(tmp_path / "somewhere/last.ckpt") == tmp_path / "somewhere"


def test_a_checkpoint_is_whole_or_the_earlier_one(tmp_path):
    class Unpicklable:
        def __reduce__(self):
            raise RuntimeError("the disk is full")

    path = tmp_path / "checkpoints" / "last.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"weight": torch.ones(2)}, path)
    with pytest.raises(RuntimeError, match="the disk is full"):
        io.save_checkpoint({"weight": torch.zeros(2), "bad": Unpicklable()}, path)
    assert torch.equal(torch.load(path, weights_only=True)["weight"], torch.ones(2))
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]
