"""Packs read: what a pack cannot have, nobody has to defend against.

Members are named in a closed list, are never compressed, so that none can grow, and are never
written under the name that the archive gives them.
"""

import hashlib
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sslkit.recipe.pack_format import (
    CHUNK,
    FORMAT,
    MANIFEST,
    MEMBERS,
    RECIPE,
    VERSION,
    WEIGHTS,
    json_mapping,
)
from sslkit.recipe.safetensors_header import TensorInfo, read_header

_NEEDED = (MANIFEST, RECIPE)
_LONGEST_DIRECTORY = 4096  # bytes
# The end of an archive without a comment: signature, disks, entries, directory's size and place.
_END = struct.Struct("<4s4H2LH")
# Before it, in an archive of more than 4 GiB, is this much with the place of another directory.
_LOCATOR, _LOCATOR_SIGNATURE = 20, b"PK\x06\x07"
_LOCAL_HEADER = 30  # bytes before a member's name
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    RuntimeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class Pack:
    """A pack that was read, each of its members the one that its manifest has.

    Attributes:
        path: The file.
        members: Content of all members but the weights.
        sizes: Bytes of each member.
        sha256: Checksum of each member.
        sslkit: The version that made it.
    """

    path: Path
    members: Mapping[str, bytes]
    sizes: Mapping[str, int]
    sha256: Mapping[str, str]
    sslkit: str

    def record(self, name: str) -> dict[str, Any]:
        """What a JSON member holds; empty if it is not there.

        Raises:
            ValueError: If it is no JSON mapping; names the member.
        """
        if name not in self.members:
            return {}
        return json_mapping(self.members[name], f"{self.path}: {name}")

    def tensors(self) -> dict[str, TensorInfo]:
        """What the weights are, by name; empty without weights.

        Raises:
            ValueError: If they are not plain tensors in the safetensors format.
        """
        if WEIGHTS not in self.sizes:
            return {}
        with _opened(self.path) as archive, archive.open(WEIGHTS) as member:
            return read_header(member, self.sizes[WEIGHTS], f"{self.path}: {WEIGHTS}")

    def copy_weights(self, to: Path) -> None:
        """Write the weights into a file of the caller's.

        Raises:
            ValueError: If they are not those that were read.
        """
        with _opened(self.path) as archive, to.open("wb") as out:
            if _copied(archive, WEIGHTS, out) != self.sha256[WEIGHTS]:
                raise ValueError(f"{self.path}: {WEIGHTS} has changed while it was read.")


def read_pack(path: Path) -> Pack:
    """Read a pack and check all of it; nothing is unpacked.

    Args:
        path: The file, which may be a stranger's.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no pack, or has a member that a pack does not have, twice, too large,
            compressed, encrypted, linked, damaged or other than its manifest says; names it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no pack {path}.")
    contents: dict[str, bytes] = {}
    digests: dict[str, str] = {}
    with _opened(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        for name in sizes:
            if name == WEIGHTS:
                digests[name] = _copied(archive, name, None)
            else:
                contents[name] = _content(archive, name)
                digests[name] = hashlib.sha256(contents[name]).hexdigest()
    version = _check_manifest(path, contents[MANIFEST], sizes, digests)
    return Pack(path, contents, sizes, digests, version)


def _opened(path: Path) -> zipfile.ZipFile:
    """The archive, once its directory is known to be a pack's."""
    _check_end(path)
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_ERRORS as error:
        raise ValueError(f"{path} is no pack: {error}.") from error
    try:
        _check_members(path, archive)
    except ValueError:
        archive.close()
        raise
    return archive


def _check_end(path: Path) -> None:
    """Before the directory is read: that it is short, and all there is after the members."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - _LOCATOR))
        tail = file.read(_END.size + _LOCATOR)
    end = tail[-_END.size :]
    if len(end) < _END.size or end[:4] != b"PK\x05\x06" or _LOCATOR_SIGNATURE in tail:
        raise ValueError(f"{path} is no pack: it does not end as a zip archive of its size does.")
    _, disk, first, here, entries, length, start, comment = _END.unpack(end)
    plain = disk == first == comment == 0 and here == entries <= len(MEMBERS)
    if not plain or length > _LONGEST_DIRECTORY or start + length + _END.size != size:
        raise ValueError(
            f"{path} is no pack: it has {entries} members and more around them than a pack has "
            f"(at most {len(MEMBERS)} members, one directory, no comment)."
        )


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    seen: set[str] = set()
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        # The name as it is in the archive: the library cuts it at a NUL, for one.
        name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        problem = None
        if name not in MEMBERS or info.filename != name:
            problem = f"has no place in a pack, which holds {', '.join(MEMBERS)} and nothing else"
        elif name in seen:
            problem = "is there twice"
        elif info.flag_bits & 0x2041:
            problem = "is encrypted"
        elif info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            problem = "is compressed, and a pack's members are stored as they are"
        elif kind not in (0, stat.S_IFREG):
            problem = "is a link or a device and not a file"
        elif info.file_size > MEMBERS[name]:
            problem = f"has {info.file_size:,} bytes, and may have {MEMBERS[name]:,}"
        elif info.header_offset < end:
            problem = "lies over another one"
        if problem:
            raise ValueError(f"{path}: the member {name!r} {problem}. Nothing was unpacked.")
        seen.add(name)
        end = info.header_offset + _LOCAL_HEADER + len(name) + info.file_size
    if missing := [name for name in _NEEDED if name not in seen]:
        raise ValueError(f"{path} is no pack: it has no {missing[0]}.")


def _check_manifest(
    path: Path, content: bytes, sizes: Mapping[str, int], digests: Mapping[str, str]
) -> str:
    where = f"{path}: {MANIFEST}"
    manifest = json_mapping(content, where)
    version, listed = manifest.get("version"), manifest.get("members")
    if manifest.get("format") != FORMAT or type(version) is not int or version < 1:
        raise ValueError(f"{where} is not of a pack: it has no format {FORMAT!r} with a version.")
    if version > VERSION:
        raise ValueError(f"{where} has version {version}, and this sslkit reads up to {VERSION}.")
    made_by = manifest.get("sslkit")
    if not isinstance(made_by, str) or not re.fullmatch(r"[\w.+-]{1,40}", made_by):
        raise ValueError(f"{where} does not say which sslkit made it.")
    found = {name: {"bytes": sizes[name], "sha256": digests[name]} for name in digests}
    del found[MANIFEST]
    if not isinstance(listed, dict) or listed.keys() != found.keys():
        raise ValueError(f"{where} lists other members than the pack has.")
    for name, entry in found.items():
        if listed[name] != entry:
            raise ValueError(
                f"{path}: {name} is not the one of the manifest (SHA-256 {entry['sha256']}): the "
                "pack is damaged or was changed."
            )
    return made_by


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except _ZIP_ERRORS as error:
        raise ValueError(f"{archive.filename}: {name} is damaged: {error}.") from error


def _copied(archive: zipfile.ZipFile, name: str, out: IO[bytes] | None) -> str:
    """The checksum of a member that may be large, on its way to a file."""
    digest = hashlib.sha256()
    try:
        with archive.open(name) as member:
            while chunk := member.read(CHUNK):
                digest.update(chunk)
                if out is not None:
                    out.write(chunk)
    except _ZIP_ERRORS as error:
        raise ValueError(f"{archive.filename}: {name} is damaged: {error}.") from error
    return digest.hexdigest()
