"""A run's folder as ``sslkit fit`` leaves it, with an encoder that nothing has trained."""

import json
from pathlib import Path

import torch
from torch import nn

from sslkit.nn import Encoder
from sslkit.nn.checkpoint import FORMAT

RESNET = {"layers": [1, 1, 1, 1], "zero_init_last": False}
TINY = {**RESNET, "channels": [8, 8, 16, 16]}
VIT = {"depth": 2, "embed_dim": 24, "num_heads": 2, "patch_size": 7}


def cnn(**changes) -> Encoder:
    arguments = {"small_images": True, "in_channels": 1, "image_size": 28, "options": TINY}
    return settled(Encoder("resnet18", **(arguments | changes)))


def vit(**changes) -> Encoder:
    arguments = {"image_size": 28, "options": VIT}
    return settled(Encoder("vit_tiny_patch16_224", **(arguments | changes)))


def settled(encoder: Encoder) -> Encoder:
    """With statistics of data and of batches, which a fresh one does not have."""
    encoder.set_statistics([0.28] * encoder.in_channels, [0.35] * encoder.in_channels)
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.2)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return encoder.eval()


def written_run(folder: Path, encoder: Encoder) -> Path:
    path = folder / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    record = {"format": FORMAT, "version": "0.1", "method": "SimCLR", "encoder": encoder.spec()}
    state = {f"encoder.{name}": x for name, x in encoder.state_dict().items()}
    state["projector.layers.0.weight"] = torch.zeros(2)
    torch.save({"sslkit": record, "state_dict": state}, path)
    (folder / "config.yaml").write_text("model:\n  class_path: sslkit.methods.SimCLR\n")
    rows = [
        {"encoder": "pretrained", "knn_20": 0.7831, "linear": 0.839, "linear_c": 1.0},
        {"encoder": "random initialisation", "knn_20": 0.5, "linear": 0.6, "linear_c": 1.0},
    ]
    report = {
        "checkpoint": str(path),
        "data": {"data": "quickstart", "at most train images": None},
        "split": "test",
        "n_train": 5000,
        "n_test": 1000,
        "num_classes": 10,
        "protocol": {"linear": "logistic regression on frozen features"},
        "rows": rows,
    }
    (folder / "evaluation.json").write_text(json.dumps(report))
    return folder
