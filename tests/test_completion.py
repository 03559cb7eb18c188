"""What the shells complete, asked in the shells themselves."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sslkit.completion import completion_script
from sslkit.recipe import list_recipes
from sslkit.recipe.options import action_parsers

# The function that bash calls, as bash calls it; then what it offers, a line each.
BASH = """\
{script}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_sslkit 2>/dev/null
if [ ${{#COMPREPLY[@]}} -gt 0 ]; then printf '%s\\n' "${{COMPREPLY[@]}}"; fi
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/more").mkdir(parents=True)
    for name in ("birds", "more/simclr", "$(touch ran)", "a b"):
        (tmp_path / f"mine/{name}.yaml").touch()
    for name in ("small.yaml", "images.npz", "with space.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def completed(*words: str) -> list[str]:
    script = BASH.format(script=completion_script("bash"))
    done = subprocess.run(
        ["bash", "-c", script, "bash", "sslkit", *words], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_commands_and_actions_come_first() -> None:
    assert completed("e") == ["evaluate", "embed", "export"]
    assert {"fit", "recipe", "reproduce", "completion"} < set(completed(""))
    assert completed("--v") == ["--version"]
    assert completed("--debug", "rec") == ["recipe"]
    assert completed("recipe", "") == [*action_parsers()]
    assert completed("recipe", "sh") == ["show"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]


def test_options_are_those_of_the_command() -> None:
    assert completed("recipe", "list", "--m") == [
        *("--method", "--min_accuracy", "--max_minutes", "--metric"),
    ]
    assert completed("evaluate", "run", "--pro") == ["--protocol"]
    assert completed("embed", "run", "--pro") == []
    assert "--help" in completed("compare", "--")
    assert completed("fit", "--trainer.max") == ["--trainer.max_epochs"]
    # What comes after -- is for fit.
    assert completed("reproduce", "quickstart", "--trainer.max") == []
    assert completed("reproduce", "quickstart", "--", "--trainer.max") == ["--trainer.max_epochs"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("recipe", "list", "--sort", ""), ["name", "accuracy", "cost"]),
        (("recipe", "list", "--sort", "=", "a"), ["accuracy"]),  # where bash cuts --sort=a
        (("recipe", "list", "--format", "m"), ["markdown"]),
        (("evaluate", "run", "--protocol", ""), ["quick", "full"]),
        (("export", "run", "--to", "t"), ["timm", "torchvision"]),
        (("fit", "--evaluate", ""), ["true", "false"]),
        (("fit", "--trainer.precision", "b"), ["bf16-mixed"]),
        (("evaluate", "run", "--seed", ""), []),
    ],
)
def test_values_are_those_of_the_option(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize(
    "words",
    [
        ("recipe", "show"),
        ("recipe", "check"),
        ("recipe", "check", "quickstart", "small/moco"),
        ("recipe", "show", "--trust", "my_lab"),
        ("recipe", "diff", "quickstart"),
        ("recipe", "copy"),
        ("reproduce",),
        ("reproduce", "--out", "folder"),
        ("views", "--recipe"),
        ("fit", "--config"),
        ("fit", "-c"),
    ],
)
def test_a_recipe_is_completed_where_one_is_expected(words: tuple[str, ...]) -> None:
    wanted = sorted(name for name in list_recipes() if name.startswith("small"))
    assert sorted(completed(*words, "small")) == sorted([*wanted, "small.yaml"])
    assert sorted(completed(*words, "user/")) == ["user/birds", "user/more/simclr"]
    assert completed(*words, "with") == ["with space.yaml"]


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate",),
        ("compare", "run"),
        ("recipe", "pack"),
        ("recipe", "add"),
        ("recipe", "copy", "quickstart"),
        ("fit", "--data.source"),
        ("reproduce", "quickstart", "--data"),
    ],
)
def test_a_file_is_completed_elsewhere(words: tuple[str, ...]) -> None:
    assert completed(*words, "im") == ["images.npz"]
    assert completed(*words, "small/") == []


def test_names_in_the_folder_of_recipes_are_never_run(here: Path) -> None:
    assert sorted(completed("recipe", "show", "user")) == ["user/birds", "user/more/simclr"]
    assert not (here / "ran").exists()


def test_a_shell_that_knows_it_registers_it() -> None:
    script = f"{completion_script('bash')}\ncomplete -p sslkit"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["complete", "-F", "_sslkit", "sslkit"]


def test_the_part_that_answers_is_for_any_posix_shell() -> None:
    answers = completion_script("zsh").partition("\n_sslkit() {")[0]
    script = f'{answers}\n_sslkit_answer "$@"; echo $?'
    for words, last in ((("recipe", "list", "--sort", ""), "0"), (("evaluate", ""), "3")):
        done = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True)
        assert done.stderr == "" and done.stdout.splitlines()[-1] == last


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh_reads_its_script_and_answers_as_bash_does(here: Path) -> None:
    script = (
        "compdef() { :; }; compadd() { shift; print -l -- $@; }; _files() { print FILES; }\n"
        f"{completion_script('zsh')}\nwords=(sslkit $@ '') CURRENT=$#words; _sslkit"
    )
    for words in (("recipe", "list", "--sort"), ("recipe", "show")):
        done = subprocess.run(
            ["zsh", "-f", "-c", script, "zsh", *words], capture_output=True, text=True, check=True
        )
        names = [line for line in done.stdout.splitlines() if line != "FILES"]
        files = {path.name for path in here.iterdir()}
        assert done.stderr == ""
        assert sorted(names) == sorted(set(completed(*words, "")) - files)
        assert ("FILES" in done.stdout) == (words[-1] == "show")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes_as_bash_does(here: Path) -> None:
    (here / "completion.fish").write_text(completion_script("fish"))
    for typed in ("recipe list --sort ", "recipe show user/", "export run --to t"):
        script = f"source completion.fish; complete -C 'sslkit {typed}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HOME": str(here)},
        )
        names = [line.split("\t")[0] for line in done.stdout.splitlines()]
        assert sorted(names) == sorted(completed(*typed.split(" ")))
