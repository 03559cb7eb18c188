"""What lies in one tar archive of WebDataset's layout, from the first member to the last.

A sample is the members whose names differ only in what follows the first dot: an image, and maybe
its label. The ``webdataset`` library reads archives and groups members.
"""

import importlib
import json
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from sslkit.data.errors import DataError
from sslkit.data.folder import EXTENSIONS

_IMAGES = frozenset(extension.removeprefix(".") for extension in EXTENSIONS)
_LABELS = frozenset({"cls", "json"})
_TIMEOUT = 60  # seconds without a byte from a server
_PAUSE = 1  # seconds before it is asked again
# What a broken archive, disk or connection raises.
_BROKEN = (tarfile.TarError, OSError, ValueError, EOFError, HTTPException)


class Sample(NamedTuple):
    """One image of an archive.

    Attributes:
        member: Its name in the archive.
        shard: The archive.
        image: The encoded image; where only headers are read, its place: offset and size in bytes.
        label: What ``.cls`` or ``.json`` says, or None.
    """

    member: str
    shard: str
    image: Any
    label: Any

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.member} in {self.shard}"


def is_address(shard: str) -> bool:
    """Whether a shard is read from a server, and not from a file."""
    return shard.startswith(("http://", "https://"))


def read_samples(shard: str) -> Iterator[Sample]:
    """All images of an archive, read in one go as it comes: nothing is sought.

    A server that fails is asked twice more, and what has been read already is passed over.

    Raises:
        DataError: If it cannot be read, or a label not be understood; names archive and sample.
        ModuleNotFoundError: If webdataset is not installed.
    """
    done = 0
    for attempts_left in (2, 1, 0):
        try:
            for sample in islice(_read_once(shard), done, None):
                yield sample
                done += 1
            return
        except DataError:
            if not is_address(shard) or not attempts_left:
                raise
            time.sleep(_PAUSE)


def scan_samples(shard: str) -> Iterator[Sample]:
    """All images of an archive that is a file, without their bytes: headers and labels are read.

    Raises:
        DataError: As `read_samples`, or if the archive is compressed.
        ModuleNotFoundError: If webdataset is not installed.
    """
    yield from _samples(_headers(shard), shard)


def webdataset() -> Any:
    """The library's readers of tar archives.

    Raises:
        ModuleNotFoundError: Says how to install it.
    """
    try:
        return importlib.import_module("webdataset.tariterators")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"tar shards are read by webdataset, which is not installed ({error}): pip install "
            "'sslkit[stream]'."
        ) from error


def _read_once(shard: str) -> Iterator[Sample]:
    with _opened(shard) as stream:
        tar = [{"url": shard, "stream": stream}]
        members = webdataset().tar_file_expander(tar, select_files=_is_read, eof_value=None)
        yield from _samples(members, shard)


def _opened(shard: str) -> BinaryIO:
    """A shard, open from its first byte on."""
    try:
        if is_address(shard):
            return cast(BinaryIO, urllib.request.urlopen(shard, timeout=_TIMEOUT))
        return open(shard, "rb")
    except OSError as error:
        raise DataError(f"The shard {shard} cannot be opened: {error}.") from error


def _headers(shard: str) -> Iterator[dict[str, Any]]:
    """Members as webdataset's own reader yields them, but for images: those are left unread."""
    with _opened(shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            if member.isreg() and _is_read(member.name):
                data: Any = member.offset_data, member.size
                if _extension(member.name) in _LABELS:
                    content = tar.extractfile(member)
                    data = b"" if content is None else content.read()
                yield {"fname": member.name, "data": data, "__url__": shard}
        # tarfile takes a damaged header for the end of the archive, which is a block of zeros.
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError("a header is damaged")


def _samples(members: Iterator[dict[str, Any]], shard: str) -> Iterator[Sample]:
    last = ""

    def noted() -> Iterator[dict[str, Any]]:
        nonlocal last
        for member in members:
            last = member["fname"]
            yield member

    groups = webdataset().group_by_keys(noted())
    while True:
        try:
            group = next(groups, None)
        except _BROKEN as error:
            after = f" after {last}" if last else ""
            raise DataError(
                f"The shard {shard} cannot be read{after}: {_reason(error)}. Shards are plain tar "
                "archives with members such as 0001.jpg and 0001.cls."
            ) from error
        if group is None:
            return
        key = group["__key__"]
        extension = next((e for e in group if e in _IMAGES), None)
        if extension is not None:
            label = _label(group, f"{key} in {shard}")
            yield Sample(f"{key}.{extension}", shard, group[extension], label)


def _label(group: dict[str, Any], name: str) -> Any:
    """The label of a sample as it is written; None if there is none."""
    try:
        if "cls" in group:
            return int(group["cls"])
        if "json" in group:
            content = json.loads(group["json"])
            known = content if isinstance(content, dict) else {}
            return known.get("label", known.get("cls"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"The label of {name} cannot be read ({_reason(error)}): .cls holds a whole number as "
            'text, .json an object that may have one as "label" or "cls".'
        ) from error
    return None


def _is_read(member: str) -> bool:
    """Whether a member can be part of a sample. Names in double underscores are webdataset's."""
    hidden = member.startswith("__") and member.split("/")[0].endswith("__")
    return not hidden and _extension(member) in _IMAGES | _LABELS


def _extension(member: str) -> str:
    """What follows the first dot of a member's name, in lower case."""
    return PurePosixPath(member).name.partition(".")[2].lower()


def _reason(error: Exception) -> str:
    """What an error says, in one line, without the open file that webdataset adds."""
    lines = str(error.args[0] if error.args else error).splitlines()
    return lines[0].partition(" @ <")[0].rstrip(".") if lines else type(error).__name__
