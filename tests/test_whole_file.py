import pytest

from sslkit.whole_file import check_free, whole_file


def test_takes_its_place_at_the_end_and_makes_the_folder(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists() and unfinished.parent == path.parent
    assert path.read_text() == "new"
    assert [*path.parent.iterdir()] == [path]


def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half"), whole_file(path) as unfinished:
        unfinished.write_text("ne")
        raise RuntimeError("half of it")
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_that_is_there_is_only_replaced_when_that_is_said(tmp_path):
    check_free(tmp_path / "new.txt", overwrite=False)
    (tmp_path / "a.txt").touch()
    check_free(str(tmp_path / "a.txt"), overwrite=True)
    with pytest.raises(FileExistsError, match=r"a\.txt is there already .*--overwrite"):
        check_free(tmp_path / "a.txt", overwrite=False)
