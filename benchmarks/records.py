"""Run records: what was measured, on what, as JSON beside the benchmarks."""

import json
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "records"
_PACKAGES = ("sslkit", "torch", "torchvision", "pytorch-lightning", "timm", "kornia", "lightly")


def surroundings() -> dict[str, Any]:
    """Versions and device of this measurement."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
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


def read(name: str) -> dict[str, Any]:
    """A record written earlier."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
