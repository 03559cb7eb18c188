"""What a run ran with, in a file beside its config: Python, platform and package versions."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from sslkit._version import __version__
from sslkit.data.resident import available_cpus
from sslkit.whole_file import whole_file

FILE = "environment.json"
SCHEMA = 1
# Those on which the weights of a run may depend, and whatever reads its config.
_PACKAGES = (
    "torch torchvision timm pytorch-lightning kornia jsonargparse scikit-learn numpy pillow".split()
)


class RunEnvironment(pl.Callback):
    """Writes ``environment.json`` into the run's folder once training starts."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file, whole or not at all; a resumed run's is that of its last part."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask for it
        if trainer.is_global_zero:
            with whole_file(folder / FILE) as unfinished:
                text = json.dumps(environment(), indent=2) + "\n"
                unfinished.write_text(text, encoding="utf-8")


def environment() -> dict[str, Any]:
    """Python, platform, processor, cores and package versions here; nothing that names a person."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "version": SCHEMA,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": available_cpus(),
        "packages": {"sslkit": __version__, **versions},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
