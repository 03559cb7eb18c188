"""The libraries that an encoder can be written for, by the word that names them."""

import importlib
import importlib.util

from sslkit.interchange.target import Target

# Imported when they are asked for: ONNX is an extra, and slow to load.
TARGETS = {
    "timm": "sslkit.interchange.timm_file.TimmFile",
    "torchvision": "sslkit.interchange.torchvision_file.TorchvisionFile",
    "detectron2": "sslkit.interchange.detectron2_file.Detectron2File",
    "safetensors": "sslkit.interchange.safetensors_file.SafetensorsFile",
    "onnx": "sslkit.interchange.onnx_file.OnnxFile",
    "hf": "sslkit.interchange.hub_folder.HubFolder",
}
_EXTRAS = {"onnx": ("onnx", "onnxscript", "onnxruntime")}


def open_target(name: str) -> Target:
    """The target of a name.

    Raises:
        ValueError: If there is none, or what it needs is not installed.
    """
    if name not in TARGETS:
        raise ValueError(f"export: --to must be one of {', '.join(TARGETS)}, got {name!r}.")
    missing = [n for n in _EXTRAS.get(name, ()) if importlib.util.find_spec(n) is None]
    if missing:
        raise ValueError(
            f"export: --to {name} needs {' and '.join(missing)}, not installed here: "
            "pip install 'sslkit[export]'."
        )
    module, _, kind = TARGETS[name].rpartition(".")
    return getattr(importlib.import_module(module), kind)()
