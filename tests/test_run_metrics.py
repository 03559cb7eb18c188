import csv
from types import SimpleNamespace

from sslkit.run_metrics import KeepMetricsWhole, RunLogger


def logger(folder, version=None):
    return RunLogger(save_dir=str(folder), name="", version=version)


def rows(folder):
    with (folder / "version_0" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def logged(folder, steps):
    first = logger(folder)
    for step in steps:
        first.log_metrics({"train/loss": 1 / (1 + step), "epoch": step // 2}, step)
    first.save()


def test_a_logger_that_goes_on_keeps_the_rows(tmp_path):
    logged(tmp_path, range(3))
    before = (tmp_path / "version_0/metrics.csv").read_text()
    again = logger(tmp_path, "version_0")
    again.log_metrics({"train/loss": 0.5, "new": 7.0}, 3)
    again.save()
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2", "3"]
    assert [row["new"] for row in rows(tmp_path)] == ["", "", "", "7.0"]
    kept = {row["step"]: row for row in rows(tmp_path)}
    for row in csv.DictReader(before.splitlines()):
        assert {name: kept[row["step"]][name] for name in row} == row


def test_touching_the_logger_alone_changes_nothing(tmp_path):
    logged(tmp_path, range(3))
    before = (tmp_path / "version_0/metrics.csv").read_text()
    assert logger(tmp_path, "version_0").experiment is not None
    assert (tmp_path / "version_0/metrics.csv").read_text() == before


def test_steps_that_will_be_logged_again_are_dropped(tmp_path):
    logged(tmp_path, range(5))
    again = logger(tmp_path, "version_0")
    trainer = SimpleNamespace(
        logger=again, is_global_zero=True, global_step=3, num_training_batches=4
    )
    trainer.log_every_n_steps = 10
    KeepMetricsWhole().on_train_start(trainer, None)
    assert trainer.log_every_n_steps == 4  # an epoch is shorter than the interval
    for step in (3, 4):
        again.log_metrics({"train/loss": 9.0, "epoch": 1}, step)
    again.save()
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2", "3", "4"]
    assert [row["train/loss"] for row in rows(tmp_path)][3:] == ["9.0", "9.0"]
    assert sorted(p.name for p in (tmp_path / "version_0").iterdir()) == ["metrics.csv"]
