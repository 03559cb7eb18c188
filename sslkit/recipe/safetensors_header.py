"""The header of a safetensors file, read without torch: which tensors it has, and nothing else.

The format is 8 bytes with the length of a JSON header (little-endian), the header, and the bytes of
the tensors one after the other.
"""

import math
from dataclasses import dataclass
from typing import IO, Any

from sslkit.recipe.pack_format import json_mapping

LARGEST = 16 << 20  # bytes of the header
_MOST_SIDES = 8
# Bytes of a number of each kind in which sslkit keeps weights.
_WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file.

    Attributes:
        dtype: As the format calls it (``F32``).
        shape: Its sides.
        size: Bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    size: int


def read_header(file: IO[bytes], size: int, where: str) -> dict[str, TensorInfo]:
    """Read and check the header: that it describes all bytes after it, each of them once.

    Args:
        file: At its start.
        size: Of the file, in bytes.
        where: What messages call it.

    Raises:
        ValueError: If this is not a safetensors file, or one with more than plain tensors.
    """
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or not 2 <= length <= min(LARGEST, size - 8):
        raise ValueError(
            f"{where} is no safetensors file: it does not start with the length of a header. "
            "Pickles and other checkpoints have no place in a pack."
        )
    header = json_mapping(file.read(length), where)
    # A note on the file, which nothing here reads.
    header.pop("__metadata__", None)
    tensors, ends = {}, []
    for name, entry in header.items():
        tensors[name], span = _tensor(entry, f"{where}: {name!r}")
        ends.append(span)
    position = 0
    for start, end in sorted(ends):
        if start != position:
            raise ValueError(f"{where}: its tensors overlap or leave gaps.")
        position = end
    if position != size - 8 - length:
        raise ValueError(f"{where} has {size - 8 - length:,} bytes of tensors, not {position:,}.")
    return tensors


def _tensor(entry: Any, where: str) -> tuple[TensorInfo, tuple[int, int]]:
    keys = {"dtype", "shape", "data_offsets"}
    known = isinstance(entry, dict) and entry.keys() == keys and isinstance(entry["dtype"], str)
    if not known or entry["dtype"] not in _WIDTHS:
        raise ValueError(f"{where} is not described as a tensor of a known kind.")
    shape, span = entry["shape"], entry["data_offsets"]
    if not _counts(shape) or not _counts(span) or len(span) != 2:
        raise ValueError(f"{where} has no shape, or no place in the file.")
    size = math.prod(shape) * _WIDTHS[entry["dtype"]]
    if span[1] - span[0] != size:
        raise ValueError(f"{where} of shape {shape} has {span[1] - span[0]:,} bytes, not {size:,}.")
    return TensorInfo(entry["dtype"], tuple(shape), size), (span[0], span[1])


def _counts(value: Any) -> bool:
    few = isinstance(value, list) and len(value) <= _MOST_SIDES
    return few and all(type(x) is int and 0 <= x < 1 << 48 for x in value)
