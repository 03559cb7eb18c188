"""What the README shows runs as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from readme import README, block, blocks

from sslkit import methods
from sslkit.cli import main
from sslkit.recipe import list_recipes

ROOT = Path(__file__).resolve().parent.parent


def test_the_check_that_ci_runs_is_the_one_of_the_readme():
    command = block("bash", "./check")
    assert command.strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_both_set_up_commands_start_from_a_bare_python():
    set_up = [text for text in blocks("bash") if "pip install" in text]
    assert len(set_up) == 2
    assert all(text.startswith("python3 -m venv .venv && ") for text in set_up)


@pytest.mark.slow
def test_the_python_example_runs(tmp_path):
    code = block("python", "pl.Trainer")
    (tmp_path / "example.py").write_text(code + "\nassert features.shape == (8, 512)\n")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_view_of_ones_own_trains_through_trust(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_views.py").write_text(block("python", "# my_views.py"))
    command = block("bash", "--trust my_views")
    limits = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--evaluate=false"]
    # A process of its own: the command's script has no working directory on its path.
    script = Path(sys.executable).with_name("sslkit")
    arguments = shlex.split(command)[1:]
    done = subprocess.run([script, *arguments, *limits], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    untrusted = arguments[: arguments.index("--trust")]
    assert main(untrusted) == 1


def test_the_tables_name_every_kind_of_recipe_and_every_method():
    rows = "\n".join(line for line in README.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`([\w]+)(?:/\w*)?`", rows))
    assert {name.split("/")[0] for name in list_recipes()} <= named
    assert set(methods.__all__) - {"JointEmbedding", "Momentum"} <= named


def test_no_mark_is_left_empty():
    filled = re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", README, re.DOTALL)
    assert [mark for mark, _ in filled] == ["quickstart", "benchmark"]
    assert all("|" in content for _, content in filled)
