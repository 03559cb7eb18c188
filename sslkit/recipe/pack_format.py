"""The format of packs, and how they are written: known members, stored, each with its checksum.

The same members always make the same bytes, whatever machine and version of Python writes them.
"""

import hashlib
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslkit._version import __version__
from sslkit.whole_file import whole_file

FORMAT, VERSION = "sslrecipe", 1
MANIFEST, RECIPE, ENVIRONMENT = "manifest.json", "recipe.yaml", "environment.json"
EVALUATION, COSTS, METRICS = "evaluation.json", "costs.json", "metrics.csv"
ENCODER, WEIGHTS = "encoder.json", "encoder.safetensors"
_MIB = 1 << 20
MEMBERS = {
    MANIFEST: _MIB,
    RECIPE: _MIB,
    ENVIRONMENT: _MIB,
    EVALUATION: 8 * _MIB,
    COSTS: _MIB,
    METRICS: 64 * _MIB,
    ENCODER: _MIB,
    WEIGHTS: 3 << 30,
}
"""All members that a pack may have, in their order, each with the most bytes that it may have."""
CHUNK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_pack(path: Path, members: Mapping[str, bytes | Path]) -> None:
    """Write a pack, whole or not at all. The same members always make the same bytes.

    Args:
        path: The file; an earlier one is replaced.
        members: Content, or the file that holds it, by the names of `MEMBERS`.

    Raises:
        ValueError: If a member is larger than a pack holds.
        OSError: If the file cannot be written.
    """
    given = members.keys() - {MANIFEST}
    ordered = [(name, members[name]) for name in MEMBERS if name in given]
    sizes = {name: x.stat().st_size if isinstance(x, Path) else len(x) for name, x in ordered}
    for name, size in sizes.items():
        if size > MEMBERS[name]:
            raise ValueError(f"{name} has {size:,} bytes, and a pack holds {MEMBERS[name]:,}.")
    listed = {name: {"bytes": sizes[name], "sha256": _digest(x)} for name, x in ordered}
    manifest = {"format": FORMAT, "version": VERSION, "sslkit": __version__, "members": listed}
    text = (json.dumps(manifest, indent=2) + "\n").encode()
    sizes[MANIFEST] = len(text)
    with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, content in [(MANIFEST, text), *ordered]:
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = sizes[name]
            with archive.open(info, "w") as out:
                if isinstance(content, Path):
                    with content.open("rb") as file:
                        while chunk := file.read(CHUNK):
                            out.write(chunk)
                else:
                    out.write(content)


def json_mapping(content: bytes, where: str) -> dict[str, Any]:
    """What a JSON text holds.

    Raises:
        ValueError: If it is no JSON mapping.
    """
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON in UTF-8: {error}.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{where} holds no mapping.")
    return found


def _digest(content: bytes | Path) -> str:
    digest = hashlib.sha256()
    if isinstance(content, Path):
        with content.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    else:
        digest.update(content)
    return digest.hexdigest()
