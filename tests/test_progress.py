from types import SimpleNamespace

import torch

from sslkit import progress
from sslkit.progress import EpochLines


def test_a_line_says_epoch_time_and_what_was_measured(caplog, monkeypatch):
    caplog.set_level("INFO")
    clock = iter([100.0, 175.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    trainer = SimpleNamespace(current_epoch=2, global_step=30, max_epochs=5, callback_metrics={})
    lines = EpochLines()
    lines.on_train_start(trainer, None)  # resumed: two epochs are done
    trainer.callback_metrics = {
        "train/loss": torch.tensor(4.5678),
        "train/lr": torch.tensor(0.1),
        "online_knn/val_top1": torch.tensor(0.75),
    }
    lines.on_train_epoch_end(trainer, None)
    expected = "Epoch 3/5, step 30, 1 min 15 s (2 min 30 s to go)"
    assert caplog.messages == [f"{expected}, online_knn/val_top1 0.75, train/loss 4.568"]


def test_a_run_without_a_number_of_epochs(caplog):
    caplog.set_level("INFO")
    trainer = SimpleNamespace(current_epoch=0, global_step=7, max_epochs=-1, callback_metrics={})
    lines = EpochLines()
    lines.on_train_start(trainer, None)
    lines.on_train_epoch_end(trainer, None)
    assert caplog.messages == ["Epoch 1, step 7, 0 s"]
