"""From a training checkpoint back to its encoder, without running anything of the file's."""

import pickle
from pathlib import Path
from typing import Any

import torch

from sslkit.nn.encoders import Encoder

# Raised whenever the layout of the record below changes in a way that old readers cannot read.
FORMAT = 1
RECORD = "sslkit"


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
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"checkpoint: {path} cannot be read as tensors and plain values ({reason}). It is "
            "damaged, is no checkpoint, or would run code when loaded; it was not loaded."
        ) from error
    record = checkpoint.get(RECORD) if isinstance(checkpoint, dict) else None
    if not isinstance(record, dict) or "encoder" not in record:
        raise ValueError(
            f"checkpoint: {path} was not written by a run of this toolkit (it has no "
            f"{RECORD!r} record). Plain backbone weights go into the encoder's `weights`."
        )
    if record["format"] > FORMAT:
        raise ValueError(
            f"checkpoint: {path} has format {record['format']} and this version reads "
            f"up to {FORMAT}; it was written by version {record['version']}. Upgrade to read it."
        )
    return checkpoint


def load_encoder(path: Path | str) -> Encoder:
    """The trained encoder of a checkpoint, in eval mode on the CPU, with the data's mean and std.

    Args:
        path: A ``.ckpt`` file that a run of this toolkit wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of this toolkit or does not fit its specification.
    """
    checkpoint = read_checkpoint(path)
    encoder = Encoder.from_spec(checkpoint[RECORD]["encoder"])
    prefix = "encoder."
    weights = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    encoder.load_state_dict(weights)
    return encoder.eval()
