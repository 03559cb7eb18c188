"""What is no pack is refused by the name of what is wrong, and nothing of it is unpacked."""

import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packs import RECIPE, archive, entry, manifest, weights, whole

from sslkit.recipe.pack_format import MEMBERS, write_pack
from sslkit.recipe.pack_reading import read_pack

EXTRA = b"x"
TRICKS = [
    "../recipe.yaml",
    "/etc/passwd",
    "a/recipe.yaml",
    "C:recipe.yaml",
    "..\\recipe.yaml",
    "Recipe.yaml",
    "RECIPE.YAML",
    "recipe.yaml ",
    "recipe.yaml.",
    "recipe.yaml:stream",
    "con",
    "checkpoint.ckpt",
    "weights.pt",
    "x.pkl",
    "récipe.yaml",
    ".",
    "recipe.yaml/",
]


def refused(path: Path, *words: str) -> None:
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ValueError) as caught:
        read_pack(path)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert sorted(path.parent.rglob("*")) == before


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return tmp_path / "a.sslrecipe"


def test_a_good_one_is_read(pack: Path) -> None:
    members: dict[str, bytes | Path] = {
        "encoder.safetensors": weights(),
        "recipe.yaml": RECIPE.encode(),
        "encoder.json": b"{}",
    }
    write_pack(pack, members)
    found = read_pack(pack)
    assert found.members["recipe.yaml"] == RECIPE.encode()
    assert list(found.sizes) == [
        "manifest.json",
        "recipe.yaml",
        "encoder.json",
        "encoder.safetensors",
    ]
    assert "encoder.safetensors" not in found.members
    assert found.record("encoder.json") == {} and found.record("costs.json") == {}
    (tensor,) = found.tensors().values()
    assert (tensor.dtype, tensor.shape, tensor.size) == ("F32", (2, 3), 24)
    copy = pack.with_name("copy")
    found.copy_weights(copy)
    assert copy.read_bytes() == weights()


def test_the_same_members_make_the_same_bytes(pack: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(weights())
    write_pack(pack, {"recipe.yaml": b"a", "encoder.safetensors": file, "costs.json": b"{}"})
    first = pack.read_bytes()
    write_pack(pack, {"costs.json": b"{}", "encoder.safetensors": weights(), "recipe.yaml": b"a"})
    assert pack.read_bytes() == first
    assert all(i.compress_type == zipfile.ZIP_STORED for i in zipfile.ZipFile(pack).infolist())


@pytest.mark.parametrize("name", TRICKS)
def test_a_member_of_another_name(name: str, pack: Path) -> None:
    refused(archive(pack, {**whole(), name: EXTRA}), "has no place in a pack", repr(name))


def test_a_name_with_a_nul_is_the_name_as_it_stands(pack: Path) -> None:
    archive(pack, whole({"recipe.yaml": b"a", "costs.json": b"{}"}))
    content = pack.read_bytes()
    assert content.count(b"costs.json") == 3  # the last in the directory; the manifest has one too
    at = content.rindex(b"costs.json")
    pack.write_bytes(content[:at] + b"costs\0json" + content[at + 10 :])
    refused(pack, "'costs\\x00json'", "has no place")


def test_other_kinds_of_members(pack: Path) -> None:
    good = whole({"recipe.yaml": RECIPE.encode(), "costs.json": b"{}"})
    rest = {name: content for name, content in good.items() if name != "costs.json"}
    for mode in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFSOCK):
        link = (entry("costs.json", mode=mode | 0o777), b"/etc/passwd")
        refused(archive(pack, [*rest.items(), link]), "'costs.json' is a link or a device")
    for size in (1 << 10, 1 << 24):
        bomb = (entry("metrics.csv", compressed=True), bytes(size))
        refused(archive(pack, [*rest.items(), bomb]), "'metrics.csv' is compressed")
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(pack, [*good.items(), ("costs.json", b"[]")])
    refused(pack, "'costs.json' is there twice")


def directory(content: bytes, name: bytes) -> int:
    """Where the directory's entry of a member starts."""
    return content.index(b"PK\x01\x02", content.rindex(name) - 46)


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_an_encrypted_member(flag: int, pack: Path) -> None:
    content = bytearray(archive(pack, whole()).read_bytes())
    at = directory(bytes(content), b"recipe.yaml")
    content[at + 8 : at + 10] = struct.pack("<H", flag)
    pack.write_bytes(content)
    refused(pack, "'recipe.yaml' is encrypted")


def test_sizes_that_are_claimed_and_are_not_there(pack: Path) -> None:
    good = archive(pack, whole()).read_bytes()
    at = directory(good, b"recipe.yaml")
    for size, words in ((1 << 21, "may have 1,048,576"), (500, "recipe.yaml")):
        content = bytearray(good)
        content[at + 20 : at + 28] = struct.pack("<LL", size, size)
        pack.write_bytes(content)
        refused(pack, words)


def test_members_that_lie_over_each_other(pack: Path) -> None:
    content = bytearray(
        archive(pack, whole({"recipe.yaml": b"a", "costs.json": b"{}"})).read_bytes()
    )
    at = directory(bytes(content), b"costs.json")
    content[at + 42 : at + 46] = struct.pack("<L", 1)
    pack.write_bytes(content)
    refused(pack, "lies over another one")


def test_an_archive_with_more_than_members(pack: Path) -> None:
    good = archive(pack, whole()).read_bytes()
    for content in (
        good + b"x",
        b"MZ" + good,
        good[:-2] + b"\x01\0c",
        good[:-1],
        b"",
        b"PK",
        RECIPE.encode(),
    ):
        pack.write_bytes(content)
        refused(pack, "a.sslrecipe is no pack")
    archive(pack, {f"{i}": b"" for i in range(9)})
    refused(pack, "it has 9 members")
    archive(pack, {})
    refused(pack, "it has no manifest.json")
    archive(pack, {"manifest.json": b"{}"})
    refused(pack, "it has no recipe.yaml")


def test_a_second_directory_for_large_archives(pack: Path) -> None:
    """Zip64 puts the place of another directory before the end, which readers then follow."""
    good = archive(pack, whole()).read_bytes()
    entries, length, start = struct.unpack("<10xHLL2x", good[-22:])
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1)
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, entries, entries, length + 20, start, 0)
    pack.write_bytes(good[:-22] + locator + end)
    refused(pack, "it does not end as a zip archive of its size does")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "zip"}, "is not of a pack"),
        ({"version": 2}, "has version 2, and this sslkit reads up to 1"),
        ({"version": True}, "is not of a pack"),
        ({"version": 0}, "is not of a pack"),
        ({"sslkit": None}, "does not say which sslkit made it"),
        ({"sslkit": "\x1b[31m"}, "does not say which sslkit made it"),
        ({"members": {}}, "lists other members"),
        ({"members": []}, "lists other members"),
        ({"members": {"recipe.yaml": {}}}, "recipe.yaml is not the one of the manifest"),
    ],
)
def test_a_manifest_that_is_none(changes: dict[str, Any], words: str, pack: Path) -> None:
    refused(archive(pack, whole(**changes)), words)


def test_a_changed_member(pack: Path) -> None:
    members = whole()
    members["recipe.yaml"] = members["recipe.yaml"].replace(b"A test.", b"A joke.")
    refused(archive(pack, members), "recipe.yaml is not the one of the manifest", "was changed")
    content = archive(pack, whole()).read_bytes()
    pack.write_bytes(content.replace(b"A test.", b"A joke."))
    refused(pack, "recipe.yaml is damaged")


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b"[" * 100_000, b"nul", b"9" * 5000])
def test_a_manifest_that_is_no_mapping(text: bytes, pack: Path) -> None:
    refused(archive(pack, {**whole(), "manifest.json": text}), "manifest.json")


def test_a_pack_that_is_not_there(pack: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no pack"):
        read_pack(pack)
    pack.mkdir()
    with pytest.raises(FileNotFoundError):
        read_pack(pack)


def test_weights_that_change_after_they_were_read(pack: Path) -> None:
    members = {"recipe.yaml": RECIPE.encode(), "encoder.safetensors": weights()}
    archive(pack, whole(members))
    found = read_pack(pack)
    archive(pack, whole({**members, "encoder.safetensors": weights((3, 2))}))
    with pytest.raises(ValueError, match="has changed while it was read"):
        found.copy_weights(pack.with_name("copy"))


def test_too_much_is_not_written(pack: Path) -> None:
    with pytest.raises(ValueError, match=r"recipe\.yaml has 1,048,577 bytes"):
        write_pack(pack, {"recipe.yaml": bytes(MEMBERS["recipe.yaml"] + 1)})
    assert not list(pack.parent.iterdir())


def test_the_manifest_is_not_taken_from_the_caller(pack: Path) -> None:
    members = {"recipe.yaml": b"a"}
    write_pack(pack, {**members, "manifest.json": manifest({}, sslkit="9.9.9")})
    assert read_pack(pack).sslkit != "9.9.9"
