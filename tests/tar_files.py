"""Tar shards for tests: images of one colour that tells which they are."""

import io
import tarfile
from pathlib import Path

from PIL import Image


def encoded(value: int, size: tuple[int, int] = (6, 5), form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("L", size, value).save(file, form)
    return file.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def write_shards(folder: Path, counts: list[int], *, labels: bool = True) -> str:
    """Shards of so many images each, valued 0, 1, 2, ... through all of them; their pattern."""
    value = 0
    for shard, count in enumerate(counts):
        members = {}
        for _ in range(count):
            members[f"{value:04}.png"] = encoded(value)
            if labels:
                members[f"{value:04}.cls"] = str(value % 3).encode()
            value += 1
        write_tar(folder / f"part-{shard:03}.tar", members)
    return f"{folder}/part-{{000..{len(counts) - 1:03}}}.tar"
