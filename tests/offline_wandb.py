"""Reads the file of an offline run of Weights & Biases: protocol buffers in LevelDB's log format.

A block of 32 KiB holds chunks: a checksum of 4 bytes, the length in 2, the kind in 1, and the data.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK, _HEADER, _CHUNK = 32768, 7, 7
_FULL, _LAST = 1, 4


def finished_run(root: Path, seconds: float = 30.0) -> tuple[Path, list[Record]]:
    """The folder and records of the one run under ``root``, which has just ended.

    A process of its own writes them, the last ones a moment later.
    """
    end = time.monotonic() + seconds
    while True:
        logs = list(root.glob("wandb/offline-run-*/run-*.wandb"))
        records = [record for log in logs for record in read_records(log)]
        ended = any(record.WhichOneof("record_type") == "exit" for record in records)
        if ended or time.monotonic() > end:
            (log,) = logs
            return log.parent, records
        time.sleep(0.1)


def read_records(path: Path) -> Iterator[Record]:
    content = path.read_bytes()
    assert content.startswith(b":W&B")
    at, whole = _HEADER, b""
    while at + _CHUNK <= len(content):
        left = _BLOCK - at % _BLOCK
        if left < _CHUNK:  # too little of the block for another chunk: filled with zeros
            at += left
            continue
        length = int.from_bytes(content[at + 4 : at + 6], "little")
        kind = content[at + 6]
        whole += content[at + _CHUNK : at + _CHUNK + length]
        at += _CHUNK + length
        if kind in (_FULL, _LAST):
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record
