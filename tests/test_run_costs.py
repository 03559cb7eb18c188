import json
from types import SimpleNamespace

import torch

from sslkit.run_costs import RunCosts


def epoch(folder, monkeypatch, *, start: int, steps: int, seconds: float, zero: bool = True):
    """One epoch of batches of 8 images, on one of two ranks."""
    clock = iter([10.0, 10.0 + seconds])
    monkeypatch.setattr("sslkit.run_costs.time.monotonic", lambda: next(clock))
    trainer = SimpleNamespace(
        log_dir=str(folder), global_step=start, is_global_zero=zero, world_size=2
    )
    module = SimpleNamespace(device=torch.device("cpu"))
    costs = RunCosts()
    costs.on_train_start(trainer, module)
    for number in range(steps):
        batch = SimpleNamespace(index=torch.arange(8))
        costs.on_train_batch_end(trainer, module, None, batch, number)
        trainer.global_step += 1
    costs.on_train_epoch_end(trainer, module)
    path = folder / "costs.json"
    return json.loads(path.read_text()) if path.is_file() else None


def test_costs_are_sums_and_a_resumed_run_adds(tmp_path, monkeypatch):
    found = epoch(tmp_path / "run", monkeypatch, start=0, steps=3, seconds=1.5)
    assert found.pop("device").startswith("cpu, ")
    assert found == {"version": 1, "seconds": 1.5, "steps": 3, "images": 48, "ranks": 2}
    found = epoch(tmp_path / "run", monkeypatch, start=3, steps=2, seconds=2)
    assert (found["seconds"], found["steps"], found["images"]) == (3.5, 5, 80)
    found = epoch(tmp_path / "run", monkeypatch, start=0, steps=1, seconds=1)  # a new run
    assert (found["seconds"], found["steps"]) == (1, 1)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["costs.json"]


def test_a_run_without_costs_goes_on_and_one_rank_writes(tmp_path, monkeypatch):
    (tmp_path / "costs.json").write_text("half")
    assert epoch(tmp_path, monkeypatch, start=3, steps=2, seconds=2)["steps"] == 2
    assert epoch(tmp_path / "b", monkeypatch, start=0, steps=2, seconds=2, zero=False) is None
