from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sslkit.cli import main
from sslkit.configs.allowlist import check_arguments, check_file
from sslkit.configs.extends import lineage, merge_extended, merged_config
from sslkit.configs.finding import recipe_folder
from sslkit.configs.refusals import ImportRefused

Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a config into a folder beside the working directory."""

    def make(name: str, config: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
        return path

    return make


def test_mappings_are_merged_and_all_else_is_replaced(write: Write) -> None:
    write(
        "base.yaml",
        {
            "seed_everything": 0,
            "trainer": {"max_epochs": 10, "precision": "32-true", "callbacks": ["a", "b"]},
            "data": {"source": {"class_path": "A", "init_args": {"root": "x", "train": True}}},
        },
    )
    write("sub/middle.yaml", {"extends": "../base.yaml", "trainer": {"max_epochs": 20}})
    child = write(
        "child.yaml",
        {
            "extends": "sub/middle.yaml",
            "trainer": {"callbacks": ["c"], "precision": None},
            "data": {"source": {"init_args": {"root": "y"}}},
        },
    )
    assert [path.name for path in lineage(child)] == ["child.yaml", "middle.yaml", "base.yaml"]
    assert merged_config(child) == {
        "seed_everything": 0,
        "trainer": {"max_epochs": 20, "precision": None, "callbacks": ["c"]},
        "data": {"source": {"class_path": "A", "init_args": {"root": "y", "train": True}}},
    }


def test_arguments_of_one_class_are_not_given_to_another(write: Write) -> None:
    write("base.yaml", {"optimizer": {"class_path": "SGD", "init_args": {"momentum": 0.9}}})
    adam = {"class_path": "Adam", "init_args": {"weight_decay": 0.1}}
    child = write("child.yaml", {"extends": "base.yaml", "optimizer": adam})
    assert merged_config(child)["optimizer"] == adam
    same = {"class_path": "SGD", "init_args": {"nesterov": True}}
    child = write("child.yaml", {"extends": "base.yaml", "optimizer": same})
    assert merged_config(child)["optimizer"]["init_args"] == {"momentum": 0.9, "nesterov": True}


def test_a_card_is_not_inherited(write: Write) -> None:
    child = write("child.yaml", {"extends": "small/moco", "seed_everything": 1})
    merged = merged_config(child)
    assert "recipe" not in merged
    assert "extends" not in merged
    assert merged["model"]["class_path"] == "sslkit.methods.MoCo"
    card = {"name": "mine"}
    child = write("child.yaml", {"extends": "small/moco", "recipe": card})
    assert merged_config(child)["recipe"] == card


def test_a_name_is_a_shipped_recipe_wherever_one_stands(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("quickstart", {"seed_everything": 5})  # a file that --config would find
    child = write("child.yaml", {"extends": "quickstart"})
    assert lineage(child)[1] == recipe_folder() / "quickstart.yaml"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("extends: child.yaml", ValueError, "that is a circle"),
        ("extends: other.yaml", ValueError, "child.yaml extends .*other.yaml extends .*a circle"),
        ("extends: deep0.yaml", ValueError, "more than 8 files"),
        ("a: 1\nextends: [a, b]", ValueError, r"child\.yaml, line 2: extends is the name or path"),
        ("extends: 3", ValueError, "extends is the name or path of one recipe"),
        ("extends:", ValueError, "extends is the name or path of one recipe"),
        ("extends: /etc/base.yaml", ValueError, "give its path relative to the file"),
        ("extends: gone.yaml", FileNotFoundError, r"line 1: extends names gone\.yaml, and there"),
        ("extends: smal/moco", FileNotFoundError, r"line 1: extends .*Did you mean small/moco"),
        ("extends: broken.yaml", ValueError, r"broken\.yaml, line \d: not valid YAML"),
        ("extends: list.yaml", ValueError, r"list\.yaml is not a config"),
    ],
)
def test_what_cannot_be_extended(
    text: str, error: type[Exception], message: str, write: Write
) -> None:
    write("other.yaml", {"extends": "child.yaml"})
    write("broken.yaml", "a: [")
    write("list.yaml", "- a\n")
    for i in range(9):
        write(f"deep{i}.yaml", {"extends": f"deep{i + 1}.yaml"})
    with pytest.raises(error, match=message):
        merged_config(write("child.yaml", text))


def test_aliases_do_not_multiply_when_they_are_merged(write: Write) -> None:
    def text(levels: int) -> str:
        lines = [f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}" for i in range(1, levels)]
        return "\n".join(["a0: &a0 {x: 1}", *lines])

    write("base.yaml", text(10))
    assert len(merged_config(write("child.yaml", f"extends: base.yaml\n{text(10)}"))) == 10
    write("base.yaml", text(40))
    with pytest.raises(ValueError, match=r"base\.yaml is longer than it looks"):
        merged_config(write("child.yaml", "extends: base.yaml\n"))
    endless = "a: &a {b: *a}"
    write("base.yaml", endless)
    with pytest.raises(ValueError, match="nested too deeply"):
        merged_config(write("child.yaml", f"extends: base.yaml\n{endless}"))


# --- the allowlist ---------------------------------------------------------------------------


def test_what_is_extended_passes_the_allowlist_too(write: Write) -> None:
    write("base.yaml", "seed_everything: 0\nmodel:\n  class_path: os.system\n")
    middle = write("middle.yaml", {"extends": "base.yaml"})
    child = write(
        "child.yaml", {"extends": "middle.yaml", "model": {"class_path": "torch.nn.ReLU"}}
    )
    for path in (middle, child):
        # Replaced or not: nobody needs it there.
        with pytest.raises(ImportRefused, match=r"base\.yaml, line 3: model.class_path names os"):
            check_file(path)
    with pytest.raises(ImportRefused, match=r"base\.yaml, line 3"):
        check_arguments([f"--config={child}"])
    write("base.yaml", "a: !!python/name:os.system x\n")
    with pytest.raises(ImportRefused, match="YAML tag"):
        check_file(child)


def test_an_alias_of_extends_is_no_way_around(write: Write) -> None:
    child = write("child.yaml", "extends: &e {class_path: os.system}\nmodel: *e\n")
    with pytest.raises(ValueError, match="extends is the name or path"):
        check_file(child)
    with pytest.raises(ImportRefused, match=r"names os\.system"):
        check_arguments(["--config=extends: &e {class_path: os.system}\nmodel: *e"])


# --- the command line ------------------------------------------------------------------------


def test_only_files_that_extend_become_text(write: Write) -> None:
    plain = str(write("plain.yaml", {"seed_everything": 3}))
    child = str(write("child.yaml", {"extends": "plain.yaml", "evaluate": True}))
    kept = [f"--config={plain}", "--data.source=child.yaml", "--config=a: 1", "--trainer.x", child]
    assert merge_extended(kept) == kept
    assert merge_extended(["--config", plain]) == [f"--config={plain}"]
    for arguments in (["--config", child], ["-c", child], [f"--config={child}"]):
        (text,) = merge_extended(arguments)
        config = yaml.safe_load(text.removeprefix("--config="))
        assert config == {"seed_everything": 3, "evaluate": True}


def test_a_fit_sees_the_resolved_config(
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    child = write(
        "child.yaml",
        "extends: quickstart\nmodel: {init_args: {temperature: 2e-1}}\ntrainer: {max_epochs: 3}\n",
    )
    assert main(["fit", "--config", str(child), "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert "extends" not in printed
    assert printed["trainer"]["max_epochs"] == 3
    assert printed["model"]["init_args"]["temperature"] == 0.2
    assert printed["model"]["init_args"]["encoder"]["init_args"]["in_channels"] == 1
    # What was printed means the same, on its own.
    alone = write("alone.yaml", printed)
    assert main(["fit", "--config", str(alone), "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == printed
    assert main(["fit", "--config", str(write("wrong.yaml", "extends: nothing"))]) == 1
    assert "extends names a recipe that is not there" in " ".join(capsys.readouterr().err.split())
