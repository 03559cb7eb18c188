"""What the features of an encoder depend on, and the name that follows from it."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import timm
import torch
import torchvision

from sslkit._version import __version__
from sslkit.data.fingerprint import fingerprint
from sslkit.evaluation.features import Extractor

# Raised whenever the files of the cache change, or features of the same encoder and images do.
FORMAT = 1


def feature_key(
    encoder: Extractor, loader: Iterable[Any], device: torch.device | str
) -> dict[str, Any]:
    """All that the features of a loader's images depend on, as plain values.

    Args:
        encoder: Its specification (the size of its images among it) and all its weights and
            buffers (mean and std among them) count, not the file that they come from.
        loader: See `sslkit.data.fingerprint`.
        device: Of which the kind counts: kinds round differently.

    Raises:
        DataError: See `sslkit.data.fingerprint`.
        TypeError: See `sslkit.data.fingerprint`.
    """
    return {
        "format": FORMAT,
        "encoder": encoder.spec(),
        "weights": _hash_weights(encoder),
        "images": fingerprint(loader),
        "device": torch.device(device).type,
        "versions": {
            "sslkit": __version__,
            "torch": str(torch.__version__),
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
        },
    }


def key_name(key: dict[str, Any]) -> str:
    """32 hexadecimal digits that stand for a key."""
    text = json.dumps(key, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _hash_weights(encoder: Extractor) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(encoder.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found.update(raw.numpy().data if len(raw) else b"")
    return found.hexdigest()
