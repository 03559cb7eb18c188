"""``sslkit embed``: a checkpoint's features of images in one file, for other tools."""

import argparse
from typing import Any

import numpy as np
import torch

from sslkit._version import __version__
from sslkit.data import ImageDataModule
from sslkit.data.label_sets import any_label, as_sets
from sslkit.evaluate import open_data
from sslkit.evaluation import Features, cached_features
from sslkit.evaluation.feature_file import check_feature_file, write_features
from sslkit.nn import load_encoder
from sslkit.origin import find_origin
from sslkit.whole_file import check_free


def embed(options: argparse.Namespace) -> int:
    """Write features.

    Args:
        options: Of `sslkit.arguments.embed_parser`.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such checkpoint or data.
        OSError: If a file cannot be written, or is there and may not be replaced.
        ValueError: If the data cannot be used, or the file's name has another ending.
    """
    check_feature_file(options.out)
    check_free(options.out, overwrite=options.overwrite)
    origin = find_origin(options.checkpoint)
    encoder = load_encoder(origin.checkpoint)
    data = open_data(options, origin.config, encoder)
    data.setup("test")
    splits: list[Any] = [options.split] if options.split else list(data.splits())
    found = {
        split: cached_features(
            encoder,
            data.eval_dataloader(split),
            folder=options.cache or origin.folder / "features",
            device=options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        )
        for split in splits
    }
    about = {
        "checkpoint": str(origin.checkpoint),
        "encoder": encoder.name,
        "data": data.description,
        "classes": data.classes,
        "sslkit": __version__,
    }
    write_features(options.out, _columns(found, data), about)
    sizes = " and ".join(f"{len(part.features):,} {split}" for split, part in found.items())
    print(f"Features of {sizes} images, {encoder.num_features} each, written to {options.out}.")
    return 0


def _columns(found: dict[str, Features], data: ImageDataModule) -> dict[str, np.ndarray]:
    """Columns of all splits one after another; of paths and labels if there are any.

    Where some split has several classes an image, labels of all are ``(N, K)`` bool.
    """
    sets = {part.labels.shape[1] for part in found.values() if part.labels.ndim == 2}
    parts: dict[str, list[Any]] = {}
    for split, features in found.items():
        index = features.index
        assert index is not None  # the cache has it
        columns = {
            "split": np.full(len(index), split),
            "index": index.numpy(),
            "path": np.array(data.paths(split, index) or [""] * len(index)),
            "features": features.features.numpy(),
            "label": (as_sets(features.labels, *sets) if sets else features.labels).numpy(),
        }
        for name, column in columns.items():
            parts.setdefault(name, []).append(column)
    # One split is not copied: it may be mapped from a file larger than memory.
    joined = {name: p[0] if len(p) == 1 else np.concatenate(p) for name, p in parts.items()}
    if not joined["path"].astype(bool).any():
        del joined["path"]
    if not any_label(torch.from_numpy(joined["label"])):
        del joined["label"]
    return joined
