"""Packs for tests: good ones, and archives that are none."""

import hashlib
import json
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

RECIPE = """\
recipe:
  name: birds
  method: SimCLR
  dataset: birds
  summary: A test.
  seed: 0
  status: untested
seed_everything: 0
model:
  class_path: sslkit.methods.SimCLR
data: {source: quickstart}
"""


def weights(shape: tuple[int, ...] = (2, 3), **more: Any) -> bytes:
    """A safetensors file of one tensor of zeros."""
    size = 4
    for side in shape:
        size *= side
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]}
    header = json.dumps({"weight": {**entry, **more}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def manifest(of: dict[str, bytes], /, **changes: Any) -> bytes:
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in of.items()
    }
    about = {"format": "sslrecipe", "version": 1, "sslkit": "0.1.0", "members": listed}
    return json.dumps(about | changes).encode()


def whole(of: dict[str, bytes] | None = None, /, **changes: Any) -> dict[str, bytes]:
    """Members with their manifest, which may be changed."""
    members = {"recipe.yaml": RECIPE.encode()} if of is None else of
    return {"manifest.json": manifest(members, **changes), **members}


def entry(
    name: str, *, mode: int = stat.S_IFREG | 0o644, compressed: bool = False
) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    return info


def archive(path: Path, entries: dict[str, bytes] | list[tuple[Any, bytes]]) -> Path:
    """A zip of entries, each a name or a ``ZipInfo`` with its content, as they are."""
    pairs = entries.items() if isinstance(entries, dict) else entries
    with zipfile.ZipFile(path, "w") as file:
        for info, content in pairs:
            file.writestr(entry(info) if isinstance(info, str) else info, content)
    return path
