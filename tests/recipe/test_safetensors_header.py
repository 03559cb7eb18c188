import io
import json
import struct
from typing import Any

import pytest
import torch
from packs import weights
from safetensors.torch import save

from sslkit.recipe.safetensors_header import TensorInfo, read_header


def read(content: bytes) -> dict[str, TensorInfo]:
    return read_header(io.BytesIO(content), len(content), "w")


def file(header: Any, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int, end: int, shape: Any = None, dtype: Any = "F32") -> dict[str, Any]:
    shape = [(end - start) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_what_the_library_writes_is_read() -> None:
    tensors = {
        "a": torch.zeros(2, 3),
        "b": torch.zeros(4, dtype=torch.bfloat16),
        "c": torch.tensor(1),
        "d": torch.zeros(0, 5, dtype=torch.float16),
    }
    found = read(save(tensors, metadata={"format": "pt"}))
    assert {n: (x.dtype, x.shape) for n, x in found.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("BF16", (4,)),
        "c": ("I64", ()),
        "d": ("F16", (0, 5)),
    }


def test_what_is_no_such_file() -> None:
    for content in (b"", b"\x80\x04\x95", b"PK\x03\x04aaaaaaaa", file(b""), weights()[:20]):
        with pytest.raises(ValueError, match="w is no safetensors file"):
            read(content)
    for header in (b"[]", b"{{", b"nul", b"[" * 100_000, b"\xff\xff"):
        with pytest.raises(ValueError, match=r"w (holds no mapping|is not JSON)"):
            read(file(header))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("x", "not described as a tensor"),
        ({"dtype": "F32", "shape": [1]}, "not described as a tensor"),
        ({**tensor(0, 4), "more": 1}, "not described as a tensor"),
        (tensor(0, 4, dtype="Q"), "not described as a tensor"),
        (tensor(0, 4, dtype=[]), "not described as a tensor"),
        (tensor(0, 4, shape=[-1]), "has no shape"),
        (tensor(0, 4, shape=[True]), "has no shape"),
        (tensor(0, 4, shape=[1.0]), "has no shape"),
        (tensor(0, 4, shape=[1] * 9), "has no shape"),
        (tensor(0, 4, shape=[1 << 60]), "has no shape"),
        (tensor(0, 4, shape=4), "has no shape"),
        (tensor(0, 4) | {"data_offsets": [0, 2, 4]}, "has no shape"),
        (tensor(0, 4, shape=[2]), "has 4 bytes, not 8"),
        (tensor(0, 8, shape=[1]), "has 8 bytes, not 4"),
        (tensor(4, 8), "overlap or leave gaps"),
    ],
)
def test_what_is_no_tensor(entry: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(file({"a": entry}, bytes(8)))


def test_all_bytes_are_those_of_one_tensor() -> None:
    assert len(read(file({"a": tensor(4, 8), "b": tensor(0, 4)}, bytes(8)))) == 2
    for header, size in (
        ({"a": tensor(0, 8), "b": tensor(4, 8)}, 8),
        ({"a": tensor(0, 4), "b": tensor(8, 12)}, 12),
        ({"a": tensor(0, 4)}, 8),
        ({"a": tensor(0, 8)}, 4),
        ({}, 1),
    ):
        with pytest.raises(ValueError, match=r"overlap or leave gaps|bytes of tensors, not"):
            read(file(header, bytes(size)))
    assert read(file({"__metadata__": {"format": "pt"}})) == {}
