"""From a training checkpoint back to its encoder, without running anything of the file's."""

import json
from pathlib import Path
from typing import Any

import torch

from sslkit.nn.backbone import one_line
from sslkit.nn.encoders import Encoder
from sslkit.nn.specification import check_specification
from sslkit.nn.weights import load_strictly

# Raised whenever the layout of the record below changes in a way that old readers cannot read.
FORMAT = 1
RECORD = "sslkit"
# Of the JSON beside packed weights.
PACKED = 1


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a training checkpoint with tensors and plain values only.

    Args:
        path: A ``.ckpt`` file that a run of this toolkit wrote.

    Returns:
        The checkpoint; its ``"sslkit"`` entry holds the encoder's specification.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, or was not written by this toolkit.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint: there is no file {path}.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile file may raise anything
        raise ValueError(
            f"checkpoint: {path} cannot be read as tensors and plain values "
            f"({one_line(error)}). It is damaged, is no checkpoint, or would run code when loaded; "
            "it was not loaded."
        ) from error
    record = checkpoint.get(RECORD) if isinstance(checkpoint, dict) else None
    if not isinstance(record, dict) or not isinstance(record.get("encoder"), dict):
        raise ValueError(
            f"checkpoint: {path} was not written by a run of this toolkit (it has no "
            f"{RECORD!r} record of an encoder). Plain backbone weights go into the encoder's "
            "`weights`."
        )
    version = record.get("format")
    if type(version) is not int or not isinstance(checkpoint.get("state_dict"), dict):
        raise ValueError(
            f"checkpoint: {path} has a damaged {RECORD!r} record (format {version!r}) or no "
            "weights; it was not loaded."
        )
    if version > FORMAT:
        raise ValueError(
            f"checkpoint: {path} has format {version} and this version reads up to {FORMAT}; it "
            f"was written by version {record.get('version')}. Upgrade to read it."
        )
    return checkpoint


def load_encoder(path: Path | str) -> Encoder:
    """The trained encoder of a checkpoint, in eval mode on the CPU, with the data's mean and std.

    Args:
        path: A ``.ckpt`` file that a run of this toolkit wrote, or the ``.safetensors`` of a pack,
            beside which is its ``.json``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of this toolkit or does not fit its specification.
    """
    if Path(path).suffix == ".safetensors":
        return _packed_encoder(Path(path))
    checkpoint = read_checkpoint(path)
    try:
        encoder = Encoder.from_spec(checkpoint[RECORD]["encoder"])
    except ValueError as error:
        raise ValueError(
            f"checkpoint: the encoder that {path} describes cannot be built: {error}"
        ) from error
    prefix = "encoder."
    weights = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if isinstance(name, str) and name.startswith(prefix)
    }
    load_strictly(
        encoder,
        weights,
        problem=f"checkpoint: the weights in {path} are not of the encoder that it describes",
        advice="The file was changed after it was written, or by another version of timm.",
    )
    return encoder.eval()


def _packed_encoder(path: Path) -> Encoder:
    """Plain tensors of a backbone, and beside them in JSON what else an encoder is."""
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise FileNotFoundError(f"checkpoint: there is no file {file}.")
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
        spec, mean, std = about["encoder"], about["mean"], about["std"]
        if about["version"] != PACKED or not isinstance(spec, dict):
            raise ValueError(f"version {about['version']!r}")
        check_specification(spec)
        encoder = Encoder(**spec, weights=path)
        encoder.set_statistics(mean, std)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"checkpoint: {beside} does not describe the encoder of {path}: {one_line(error)}"
        ) from error
    return encoder.eval()
