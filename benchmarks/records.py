"""Run records: what was measured, on what, as JSON beside the benchmarks."""

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

import torch

from sslkit.evaluation.report import library_versions

FOLDER = Path(__file__).parent / "records"
_PACKAGES = ("pytorch-lightning", "kornia", "lightly")


def surroundings() -> dict[str, Any]:
    """Versions and device of this measurement."""
    versions = library_versions(*_PACKAGES)
    return {
        "date": date.today().isoformat(),
        "device": f"{_processor()}, {torch.get_num_threads()} threads",
        "versions": versions,
    }


def write(name: str, record: dict[str, Any]) -> Path:
    """Write one record with its surroundings; prints where."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"name": name, **surroundings(), **record}, indent=1) + "\n")
    print(f"wrote {path}")
    return path


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
