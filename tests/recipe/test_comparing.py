from pathlib import Path
from typing import Any

import pytest

from sslkit.cli import main
from sslkit.recipe.comparing import differences, short


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compared(capsys: pytest.CaptureFixture[str], first: str, second: str) -> list[str]:
    capsys.readouterr()
    assert main(["recipe", "diff", first, second]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_default_that_is_written_down_makes_no_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine.yaml").write_text(
        "extends: quickstart\n"
        "trainer: {accumulate_grad_batches: 1}\n"
        "model: {init_args: {temperature: 1e-1, encoder: {init_args: {norm: batch}}}}\n"
    )
    assert "They mean the same" in compared(capsys, "quickstart", "mine.yaml")[1]


def test_the_learning_rate_is_compared_at_the_global_batch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine.yaml").write_text(
        "extends: quickstart\n"
        "trainer: {accumulate_grad_batches: 2, devices: 4}\n"
        "model: {init_args: {base_lr: 0.06, temperature: 0.2}}\n"
    )
    lines = compared(capsys, "quickstart", "mine.yaml")
    assert lines[1] == "global batch: 256 images (1 x 256) -> 2,048 images (4 x 256 x 2)"
    assert lines[2] == "effective lr: 0.48 in both"
    assert "model.temperature: 0.1 -> 0.2" in lines
    assert "model.base_lr: 0.48 -> 0.06" in lines
    assert "trainer.devices: auto -> 4" in lines


def test_another_class_and_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    lines = compared(capsys, "small/simclr", "small/moco")
    assert "model: sslkit.methods.SimCLR -> sslkit.methods.MoCo" in lines
    assert "model.queue_size: only there 4096" in lines
    assert not [line for line in lines if line.startswith("recipe")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a.1"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": None}, {"a": {"class_path": "x.Y"}}, ["a"]),
        ({"a": {"class_path": "x.Y"}}, {"a": {"b": 1}}, ["a"]),
        (
            {"a": {"class_path": "x.Y", "init_args": {"c": 1, "d": 0}}},
            {"a": {"class_path": "x.Z", "init_args": {"c": 2, "e": 0}}},
            ["a", "a.c", "a.d", "a.e"],
        ),
    ],
)
def test_what_differs(old: Any, new: Any, expected: list[str]) -> None:
    assert [key for key, *_ in differences(old, new)] == expected


def test_a_class_on_one_line() -> None:
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"momentum": 0.9, "foreach": None}}
    assert short([sgd, None, True]) == "[SGD(momentum=0.9), null, True]"
    assert len(short("word " * 200)) <= 300
