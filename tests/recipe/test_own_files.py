"""All files or none, and never one that is the user's."""

import os
from pathlib import Path

import pytest

from sslkit.configs.finding import user_folder
from sslkit.recipe.own_files import RECORD, Write, check_own, is_own, replace_own


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    return user_folder()


def text(content: str) -> Write:
    return lambda file: file.write_text(content)


def fails(file: Path) -> None:
    file.write_text("half")
    raise OSError("no space left")


def files(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != RECORD]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_files_are_written_and_replaced(folder: Path) -> None:
    a, b = folder / "x/a.json", folder / "x/a.yaml"
    replace_own([(a, text("1")), (b, text("2"))])
    assert is_own(a) and is_own(b)
    replace_own([(b, text("3"))], [a])
    assert files(folder) == {"x/a.yaml": "3"}
    replace_own([(a, text("1")), (b, text("2"))])
    assert files(folder) == {"x/a.json": "1", "x/a.yaml": "2"}


def test_what_is_the_users_is_neither_replaced_nor_removed(folder: Path) -> None:
    a, b = folder / "a.json", folder / "a.yaml"
    folder.mkdir()
    a.write_text("mine")
    replace_own([(b, text("2"))], [a])
    assert a.read_text() == "mine"
    with pytest.raises(FileExistsError, match=r"a\.json is there, and is not as"):
        replace_own([(a, text("1")), (b, text("3"))])
    assert files(folder) == {"a.json": "mine", "a.yaml": "2"}
    b.write_text("edited")
    with pytest.raises(FileExistsError, match=r"a\.yaml is there"):
        check_own([b])
    a.unlink()
    for other in (a.mkdir, lambda: a.symlink_to("nowhere")):
        other()
        with pytest.raises(FileExistsError, match=r"a\.json is there"):
            check_own([a])
        a.rmdir() if a.is_dir() else a.unlink()


@pytest.mark.parametrize(
    "record", ["", "[", "[]", "{}", '{"files": 3}', '{"files": {"a.yaml": 3}}']
)
def test_without_a_record_all_is_the_users(folder: Path, record: str) -> None:
    file = folder / "a.yaml"
    replace_own([(file, text("1"))])
    (folder / RECORD).write_text(record)
    assert not is_own(file)


def test_a_failure_leaves_everything_as_it_was(folder: Path) -> None:
    a, b, c = (folder / name for name in ("a.safetensors", "a.json", "a.yaml"))
    with pytest.raises(OSError, match="no space"):
        replace_own([(folder / "deep/er/a.json", text("1")), (folder / "deep/er/a.yaml", fails)])
    assert not folder.exists()
    replace_own([(a, text("1")), (b, text("2")), (c, text("3"))])
    for new in ([(a, text("4")), (b, fails), (c, text("5"))], [(a, text("4")), (c, fails)]):
        with pytest.raises(OSError, match="no space"):
            replace_own(new, [b])
        assert files(folder) == {"a.safetensors": "1", "a.json": "2", "a.yaml": "3"}
        assert {path.name for path in folder.iterdir()} == {*files(folder), RECORD}


@pytest.mark.parametrize("broken", ["a.safetensors", "a.json", "a.yaml"])
def test_a_failure_while_they_take_their_places_is_undone(
    folder: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = (folder / name for name in ("a.safetensors", "a.json", "a.yaml"))
    replace_own([(a, text("1")), (b, text("2")), (c, text("3"))])
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == broken and "new" in Path(source).name:
            raise OSError("not now")
        real(source, target)

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(OSError, match="not now"):
        replace_own([(a, text("4")), (b, text("5")), (c, text("6"))])
    assert files(folder) == {"a.safetensors": "1", "a.json": "2", "a.yaml": "3"}
    assert all(map(is_own, (a, b, c)))
    monkeypatch.undo()


def test_the_recipe_takes_its_place_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        order.append(Path(target).name)
        real(source, target)

    monkeypatch.setattr("os.replace", replace)
    replace_own([(folder / name, text("x")) for name in ("a.safetensors", "a.json", "a.yaml")])
    assert order == [RECORD, "a.safetensors", "a.json", "a.yaml"]
