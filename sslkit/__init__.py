"""Self-supervised vision pretraining: from a folder of images to a trusted score.

Subpackages are imported when first used, so that the command line answers before torch is loaded.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sslkit._version import __version__

if TYPE_CHECKING:
    from sslkit import (
        callbacks,
        data,
        evaluation,
        figures,
        functional,
        methods,
        negatives,
        nn,
        objectives,
        optim,
        views,
    )

__all__ = [
    "__version__",
    "callbacks",
    "data",
    "evaluation",
    "figures",
    "functional",
    "methods",
    "negatives",
    "nn",
    "objectives",
    "optim",
    "views",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"sslkit.{name}")
    raise AttributeError(f"module 'sslkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
