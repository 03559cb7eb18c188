import sys

import pytest

from sslkit.data.shard_names import names_shards, shard_names


@pytest.fixture
def files(tmp_path):
    for name in ("a-00.tar", "a-01.tar", "a-02.tar", "b.tar"):
        (tmp_path / name).touch()
    return tmp_path


def test_braces_lists_and_stars(files):
    braces = f"{files}/a-{{00..02}}.tar"
    a = [f"{files}/a-0{n}.tar" for n in range(3)]
    assert shard_names(braces) == a
    assert shard_names(f"{files}/a-*.tar") == a
    assert shard_names(f"{files}/{{b,a-00}}.tar") == [f"{files}/b.tar", a[0]]
    assert shard_names([f"{files}/b.tar", braces]) == [f"{files}/b.tar", *a]


def test_the_home_folder(files, monkeypatch):
    monkeypatch.setenv("HOME", str(files))
    assert shard_names("~/b.tar") == [f"{files}/b.tar"]


def test_addresses_are_not_looked_for():
    assert shard_names("https://host/x-{0..1}.tar") == [
        "https://host/x-0.tar",
        "https://host/x-1.tar",
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a-{00..09}.tar", r"names 10 shard\(s\), and 7 of them are not there, first .*a-03\.tar"),
        ("c-*.tar", "no file matches"),
        ("missing.tar", r"1 shard\(s\), and 1 of them"),
    ],
)
def test_missing_shards(files, pattern, said):
    with pytest.raises(FileNotFoundError, match=said):
        shard_names(f"{files}/{pattern}")


@pytest.mark.parametrize(
    ("shards", "said"),
    [
        ("pipe:cat x.tar", r"Programs \(pipe:\) are not run"),
        ("s3://bucket/x.tar", "files or http"),
        ("x-{0..3.tar", "braces do not match"),
        ("x-{0..99999999999}.tar", "100,000,000,000 shards: too many"),
        ([], "names no shard"),
    ],
)
def test_what_cannot_be_shards(shards, said):
    with pytest.raises(ValueError, match=said):
        shard_names(shards)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "braceexpand", None)
    with pytest.raises(ModuleNotFoundError, match=r"sslkit\[stream\]"):
        shard_names("x-{0..1}.tar")


def test_what_a_source_must_look_like():
    assert names_shards("data/train-{000..999}.tar")
    assert names_shards("https://host/x.tar")
    assert not names_shards("images")
    assert not names_shards("images.npz")
