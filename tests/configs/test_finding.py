from pathlib import Path

import pytest

from sslkit.configs.finding import find_recipe, list_recipes, recipe_folder


def test_the_shipped_recipes_are_listed_by_name() -> None:
    names = list_recipes()
    assert names == sorted(names)
    assert {"quickstart", "cifar10/simclr", "imagenet1k/simclr"} <= set(names)


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
