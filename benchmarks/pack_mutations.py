"""Packs as nobody should make them: mutated recipes in whole packs, and recipes in bad packs."""

import hashlib
import io
import json
import random
import stat
import struct
import warnings
import zipfile
from typing import Any

from recipe_mutations import OUTSIDE, changed_bytes, recipe, shipped

# Names that a member of a pack might have.
_NAMES = [
    "../recipe.yaml",
    "/recipe.yaml",
    "..\\recipe.yaml",
    "C:recipe.yaml",
    "RECIPE.yaml",
    "recipe.yaml ",
    "recipe.yaml\0.txt",
    "sub/recipe.yaml",
    "encoder.pt",
    "con",
    "",
    ".",
    "metrics.csv/",
    OUTSIDE,
]


def pack(rng: random.Random) -> bytes:
    """A mutated pack; often a whole one around a mutated recipe, or a good recipe in a bad pack."""
    plain = rng.choice(shipped()).encode()
    members = {"recipe.yaml": recipe(rng) if rng.random() < 0.5 else plain}
    for name in ("environment.json", "evaluation.json", "costs.json", "encoder.json"):
        if rng.random() < 0.1:
            members[name] = rng.choice(
                (b"{}", b"[]", b"{", b'{"encoder": {"name": 3}}', b"[" * 9999)
            )
    if rng.random() < 0.4:
        members["metrics.csv"] = b"step,loss\n1,2\n" * rng.randrange(5)
    if rng.random() < 0.3:
        members["encoder.safetensors"] = _weights(rng)
        members.setdefault("encoder.json", b'{"version": 1, "encoder": {"name": "resnet18"}}')
    content = _zipped(rng, members)
    if rng.random() < 0.2:
        content = changed_bytes(rng, content)
    return content


def _weights(rng: random.Random) -> bytes:
    header: Any = {"weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    if rng.random() < 0.5:
        wrong = (-1, 1 << 62, True, 1.5, "x", None, [], {}, [1] * 99, [[]], "F8", [0, 1 << 40])
        header["weight"][rng.choice(("dtype", "shape", "data_offsets", "x"))] = rng.choice(wrong)
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + bytes(24)
    return changed_bytes(rng, content) if rng.random() < 0.3 else content


def _zipped(rng: random.Random, members: dict[str, bytes]) -> bytes:
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    }
    manifest: dict[str, Any] = {"format": "sslrecipe", "version": 1, "sslkit": "0.1.0"}
    manifest["members"] = listed
    if rng.random() < 0.15:
        manifest[rng.choice(list(manifest))] = rng.choice((None, 2, "x", [], {}, -1, {"a": 1}))
    entries = [("manifest.json", json.dumps(manifest).encode()), *members.items()]
    if rng.random() < 0.15:
        entries.append((rng.choice(_NAMES), b"x"))
    if rng.random() < 0.1:
        entries.append(rng.choice(entries))
    if rng.random() < 0.1:
        rng.shuffle(entries)
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # about names that are there twice
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            if rng.random() < 0.03:
                info.external_attr = rng.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR)) << 16
            if rng.random() < 0.03:
                info.compress_type = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
            archive.writestr(info, content)
        if rng.random() < 0.02:
            archive.comment = b"comment"
    return out.getvalue()
