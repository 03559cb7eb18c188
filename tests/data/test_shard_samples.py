import gzip

import pytest
from tar_files import encoded, write_tar

from sslkit.data.errors import DataError
from sslkit.data.shard_samples import read_samples, scan_samples

IMAGE = encoded(7)
MEMBERS = {
    "__index__/x.json": b"{}",
    "readme.txt": b"hello",
    "a/0.png": IMAGE,
    "a/0.cls": b"4\n",
    "a/1.json": b'{"label": 2, "caption": "a cat"}',
    "a/1.JPG": encoded(8, form="JPEG"),
    "a/2.cls": b"9",
    "a/3.seg.png": IMAGE,
    "a/3.webp": encoded(9, form="WEBP"),
    "a/4.png": encoded(10),
    "a/4.json": b'{"cls": 5}',
}


def test_images_labels_and_the_rest(tmp_path):
    shard = str(write_tar(tmp_path / "x.tar", MEMBERS))
    samples = list(read_samples(shard))
    assert [(s.member, s.label) for s in samples] == [
        ("a/0.png", 4),
        ("a/1.jpg", 2),
        ("a/3.webp", None),
        ("a/4.png", 5),
    ]
    assert samples[0].image == IMAGE
    assert samples[0].name == f"a/0.png in {shard}"


def test_a_scan_finds_the_same_samples_and_where_they_lie(tmp_path):
    path = write_tar(tmp_path / "x.tar", MEMBERS)
    read, scanned = list(read_samples(str(path))), list(scan_samples(str(path)))
    assert [s[:2] + s[3:] for s in scanned] == [s[:2] + s[3:] for s in read]
    content = path.read_bytes()
    for one, other in zip(scanned, read, strict=True):
        offset, size = one.image
        assert content[offset : offset + size] == other.image


@pytest.mark.parametrize("read", [read_samples, scan_samples])
@pytest.mark.parametrize(
    ("member", "content", "said"),
    [
        ("0.cls", b"cat", r"label of 0 in .*x\.tar cannot be read \(invalid literal"),
        ("0.json", b'{"label": 3', r"label of 0 in .*x\.tar.*\.json an object"),
        ("0.json", b"[" * 100_000, "label of 0 in"),
    ],
)
def test_labels_that_cannot_be_understood(tmp_path, read, member, content, said):
    shard = write_tar(tmp_path / "x.tar", {"0.png": IMAGE, member: content})
    with pytest.raises(DataError, match=said):
        list(read(str(shard)))


@pytest.mark.parametrize("read", [read_samples, scan_samples])
def test_a_truncated_archive_names_the_last_sample(tmp_path, read):
    path = write_tar(tmp_path / "x.tar", {f"{n}.png": b"x" * 5000 for n in range(3)})
    path.write_bytes(path.read_bytes()[:8000])
    with pytest.raises(DataError, match=r"x\.tar cannot be read after [01]\.png: unexpected"):
        list(read(str(path)))


def test_a_scan_notices_a_damaged_header(tmp_path):
    path = write_tar(tmp_path / "x.tar", {f"{n}.png": b"x" * 500 for n in range(3)})
    content = bytearray(path.read_bytes())
    content[1024:1200] = b"\xff" * 176
    path.write_bytes(content)
    with pytest.raises(DataError, match="a header is damaged"):
        list(scan_samples(str(path)))


@pytest.mark.parametrize("read", [read_samples, scan_samples])
def test_what_is_no_archive(tmp_path, read):
    (tmp_path / "x.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match=r"x\.tar cannot be read: .*plain tar archives"):
        list(read(str(tmp_path / "x.tar")))
    with pytest.raises(DataError, match=r"y\.tar cannot be opened"):
        list(read(str(tmp_path / "y.tar")))


def test_a_compressed_archive_can_be_read_but_not_scanned(tmp_path):
    plain = write_tar(tmp_path / "x.tar", {"0.png": IMAGE})
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [s.member for s in read_samples(str(packed))] == ["0.png"]
    with pytest.raises(DataError, match="cannot be read"):
        list(scan_samples(str(packed)))


def test_two_members_of_one_name(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"0.png": IMAGE, "0.PNG": IMAGE})
    with pytest.raises(DataError, match="duplicate"):
        list(read_samples(str(path)))
