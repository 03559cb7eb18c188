import os
from pathlib import Path

import pytest

from sslkit.configs.files import named_file, text_of


def test_a_file_is_found_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "both").touch()
    (second / "one").touch()
    (first / "folder").mkdir()
    folders = (first, second)
    assert named_file("both", folders) == first / "both"
    assert named_file("one", folders) == second / "one"
    assert named_file(str(second / "both"), folders) == second / "both"
    for text in ("folder", "neither", "", "\0", "x" * 5000, "a\nb", "{a: b}"):
        assert named_file(text, folders) is None


def test_what_is_read_once_only_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="a pipe, which cannot be checked"):
        named_file("pipe", [tmp_path])
    with pytest.raises(ValueError, match="standard input"):
        named_file("-", [tmp_path])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"a: b\r\n\tc", "a: b\r\n\tc"),
        (b"\xef\xbb\xbfa: b", "a: b"),
        ("ß".encode(), "ß"),
        (b"\xdf", "ß"),
        (b"a: b\n\x00", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"\x1f\x8b\x08", None),
    ],
)
def test_only_text_is_read(content: bytes, text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert text_of(path) == text
