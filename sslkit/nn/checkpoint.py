"""What a run saves to go on from, read without running anything of the file's."""

from pathlib import Path
from typing import Any

import torch

from sslkit.nn.backbone import one_line

# Raised whenever the layout of the record below changes in a way that old readers cannot read.
FORMAT = 1
RECORD = "sslkit"
# Of a file with an encoder alone, see `sslkit.nn.trained_file`.
TENSORS = ".safetensors"


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
    if path.suffix == TENSORS:
        raise ValueError(
            f"checkpoint: {path} holds an encoder alone, and not the state of a run that could go "
            "on: start from it with --model.encoder.weights, or with --model.checkpoint for a "
            "linear probe or fine-tuning."
        )
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
