import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sslkit.allowlist import check_file
from sslkit.card import load_card
from sslkit.recipe import (
    find_recipe,
    list_recipes,
    print_recipes,
    recipe_folder,
    recipe_rows,
    recipe_table,
)


def test_the_shipped_recipes_are_listed_by_name() -> None:
    names = list_recipes()
    assert names == sorted(names)
    assert {"quickstart", "cifar10/simclr", "imagenet1k/simclr"} <= set(names)


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_describes_itself(name: str) -> None:
    path = find_recipe(name)
    card = load_card(path)
    config = yaml.safe_load(path.read_text())
    assert card is not None, "every shipped recipe has a card"
    assert card.name == name
    assert card.seed == config["seed_everything"]
    assert card.method == config["model"]["class_path"].rsplit(".", 1)[-1]
    header = path.read_text().split("recipe:", 1)[0]
    for word in ("Paper", "Command", f"sslkit fit --config {name}", "Hardware", "Expected"):
        assert word in header, f"the header of {path.name} does not say {word}"


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_passes_the_import_allowlist(name: str) -> None:
    check_file(find_recipe(name))


def test_a_file_is_found_by_its_path_even_beside_a_recipe_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()  # a folder is no recipe
    assert find_recipe("quickstart") == recipe_folder() / "quickstart.yaml"
    mine = tmp_path / "mine.yaml"
    mine.write_text("seed_everything: 0\n")
    assert find_recipe(str(mine)) == mine
    assert find_recipe("mine.yaml").samefile(mine)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("quickstrat", "Did you mean quickstart?"),
        ("quickstart.yaml", "Did you mean quickstart?"),
        ("cifar10/simcrl", "Did you mean cifar10/simclr"),
        ("simclr", "Did you mean cifar10/simclr or imagenet1k/simclr or images/simclr or"),
        ("xyz", "nor a shipped recipe. `sslkit recipe list`"),
        ("../setup", "`sslkit recipe list`"),
    ],
)
def test_a_name_that_is_no_recipe_names_the_closest(
    name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        find_recipe(name)
    assert repr(name) in str(caught.value)
    assert hint in str(caught.value)


def test_the_table_has_a_row_for_each_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_recipes()  # the output is captured, so it is no terminal
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["recipe", "method", "dataset", "status", "expected", "minutes"]
    assert [line.split()[0] for line in lines[1:]] == list_recipes()
    assert "linear 64.5 %" in next(line for line in lines if line.startswith("imagenet1k/simclr"))


def test_on_a_terminal_the_table_is_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    print_recipes()
    drawn = capsys.readouterr().out
    assert "┃" in drawn
    for name in list_recipes():
        assert name in drawn


def test_columns_are_aligned() -> None:
    table = recipe_table([("a" * 20, "b", "", "", "c", ""), ("d", "e" * 9, "", "", "f", "4")])
    lines = table.splitlines()
    assert lines[1].index("b") == lines[2].index("e") == lines[0].index("method")
    assert lines[1].index("c") == lines[2].index("f") == lines[0].index("expected")
    assert all(len(row) == 6 for row in recipe_rows())


def test_finding_recipes_needs_no_torch() -> None:
    code = (
        "import sys; from sslkit.recipe import print_recipes; print_recipes();"
        "assert not {'torch', 'pytorch_lightning', 'numpy', 'jsonargparse'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
