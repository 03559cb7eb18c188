from pathlib import Path

import pytest

from sslkit.configs.finding import (
    find_recipe,
    list_recipes,
    recipe_folder,
    user_folder,
    user_recipe,
    user_recipes,
)


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


def test_where_added_recipes_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKIT_RECIPES", "~/mine")
    assert user_folder() == Path.home() / "mine"
    monkeypatch.delenv("SSLKIT_RECIPES")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/xdg")
    assert user_folder() == Path("/etc/xdg/sslkit/recipes")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert user_folder() == Path.home() / ".config/sslkit/recipes"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "added"
    monkeypatch.setenv("SSLKIT_RECIPES", str(folder))
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "birds/simclr", "odd $(touch x)", "a.yaml"):
        file = folder / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("seed_everything: 0\n")
    return folder


def test_added_recipes_have_names_of_their_own(added: Path) -> None:
    assert user_recipes() == ["user/birds/simclr", "user/quickstart"]
    assert find_recipe("user/quickstart") == added / "quickstart.yaml"
    assert find_recipe("quickstart") == recipe_folder() / "quickstart.yaml"
    with pytest.raises(FileNotFoundError, match=r"that you added\. Did you mean user/quickstart"):
        find_recipe("user/quickstrat")
    with pytest.raises(FileNotFoundError, match="nor a shipped recipe"):
        find_recipe("birds/simclr")


NO_NAMES = """
    .. a/../b /a a//b a\\b C:a a.yaml nul x/con.old é user/user/../a .a a. -a a/. $(x) COM1 a/ ~/a
""".split()


@pytest.mark.parametrize("name", [*NO_NAMES, "", "a b", "a\n", "a\0b", "a" * 101])
def test_names_that_no_added_recipe_has(name: str, added: Path) -> None:
    with pytest.raises(ValueError, match="no name for a recipe of yours"):
        user_recipe(name)
    with pytest.raises(FileNotFoundError):
        find_recipe(f"user/{name}")


def test_names_that_they_may_have(added: Path) -> None:
    for name in ("birds", "small/moco", "a.b-c_d", "v1.0/x", "user/birds"):
        assert user_recipe(name) == added / f"{name.removeprefix('user/')}.yaml"


def test_a_pack_is_no_config(tmp_path: Path) -> None:
    pack = tmp_path / "a.sslrecipe"
    pack.touch()
    with pytest.raises(ValueError, match=r"is a pack: `sslkit recipe add"):
        find_recipe(str(pack))
