"""Every plug-in at a size for tiny batches, as a recipe would name it."""

import importlib
from typing import Any

from tiny import OPTIONS

from sslkit import negatives
from sslkit.negatives import Plugin

# A guide of random weights knows nothing, but says the same of an image every time.
GUIDE: dict[str, Any] = {
    "class_path": "sslkit.negatives.FrozenGuide",
    "init_args": {
        "encoder": {
            "class_path": "sslkit.nn.Encoder",
            "init_args": {"name": "resnet18", "small_images": True, "options": OPTIONS},
        }
    },
}
PLUGINS: dict[str, dict[str, Any]] = {
    "AmbiguousNegatives": {"count": 6},
    "FalseNegativeMask": {"guide": GUIDE, "threshold": 0.9},
    "HardNegativeFilter": {"keep": 0.5},
    "HardNegativeMixing": {"hardest": 4, "pairs": 3, "query_mixes": 2},
    "NegativeInterpolation": {},
    "NoiseNegatives": {"step_size": 0.1},
    "PositiveExtrapolation": {},
    "ReweightNegatives": {},
}


def exported() -> set[str]:
    """The names of all plug-ins that the toolkit has."""
    found = {name: getattr(negatives, name) for name in negatives.__all__}
    return {
        name
        for name, value in found.items()
        if isinstance(value, type) and issubclass(value, Plugin) and value is not Plugin
    }


def spec(name: str, **changes: Any) -> dict[str, Any]:
    """A plug-in as YAML has it."""
    return {"class_path": f"sslkit.negatives.{name}", "init_args": PLUGINS[name] | changes}


def plugin(name: str, **changes: Any) -> Plugin:
    """The plug-in itself."""
    return _build(spec(name, **changes))


def _build(value: Any) -> Any:
    if not isinstance(value, dict) or "class_path" not in value:
        return value
    module, _, name = value["class_path"].rpartition(".")
    arguments = {key: _build(part) for key, part in value.get("init_args", {}).items()}
    return getattr(importlib.import_module(module), name)(**arguments)
