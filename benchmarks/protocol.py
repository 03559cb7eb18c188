"""The full protocol of `sslkit evaluate` on a checkpoint, a random encoder and raw pixels.

    python benchmarks/protocol.py CHECKPOINT --name small/simclr --images NPZ [--limit 10240]
                                  [--parts cifar10,quickstart] [--threads 2] [--cache FOLDER]
    python benchmarks/results.py

CHECKPOINT is one of a run, such as the last one of ``sslkit fit --config small/simclr``. NPZ holds
CIFAR-10: x_train (50000,32,32,3) uint8, y_train, x_test, y_test; its first LIMIT training images
are fitted (those of the ``small/`` recipes by default; 0: all). The embedded images are resized to
the encoder's size, and grey becomes three channels where it takes three: transfer.

Each part writes the record `protocol.<part>.<name>.json`: ``setting``, ``seconds`` (features and
probes) and ``evaluation``, the report without its longest lists.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import records
import torch

from sslkit.data import ImageDataModule
from sslkit.evaluation import FULL
from sslkit.evaluation.scoring import evaluate_on
from sslkit.nn import Encoder, load_encoder

PARTS = ("cifar10", "quickstart")
_LONG = ("singular_values", "dimension_std")


def measure(
    encoder: Encoder, data: ImageDataModule, *, name: str, cache: Path
) -> tuple[float, dict[str, Any]]:
    """Seconds, and the report as plain values."""
    begin = time.perf_counter()
    found = evaluate_on(encoder, data, name=name, seed=0, device="cpu", plan=FULL, cache=cache)
    seconds = time.perf_counter() - begin
    report = found.report.to_dict()
    for row in report["rows"]:
        row["representation"] = {k: v for k, v in row["representation"].items() if k not in _LONG}
    return seconds, report


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", required=True, help="what the tables call the checkpoint")
    parser.add_argument("--images", type=Path, help="CIFAR-10 as .npz")
    parser.add_argument("--limit", type=int, default=10_240)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="keep features here (default: not kept)")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {sorted(unknown)[0]}")
    if "cifar10" in parts and options.images is None:
        parser.error("the part cifar10 needs --images")
    torch.set_num_threads(options.threads)
    encoder = load_encoder(options.checkpoint)
    for part in parts:
        limit = (options.limit or None) if part == "cifar10" else None
        data = ImageDataModule(
            str(options.images) if part == "cifar10" else "quickstart",
            channels=encoder.in_channels,
            image_size=encoder.image_size,
            limit=limit,
        )
        data.description = part
        with tempfile.TemporaryDirectory() as folder:
            cache = options.cache or Path(folder)
            seconds, report = measure(encoder, data, name=options.name, cache=cache)
        setting = {"checkpoint": options.name, "limit": limit, "threads": options.threads}
        record = {"setting": setting, "seconds": seconds, "evaluation": report}
        records.write(f"protocol.{part}.{options.name.replace('/', '_')}", record)


if __name__ == "__main__":
    main()
