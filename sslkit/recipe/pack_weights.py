"""A checkpoint's encoder as members of a pack: plain tensors, and its specification as JSON."""

import json
from pathlib import Path

from safetensors.torch import save_file

from sslkit.nn import load_encoder
from sslkit.nn.trained_file import PACKED
from sslkit.recipe.pack_format import ENCODER, WEIGHTS


def encoder_members(checkpoint: Path, folder: Path) -> dict[str, bytes | Path]:
    """The trained backbone without heads and without other branches.

    Args:
        checkpoint: That a run of this toolkit wrote.
        folder: Where the tensors are written; the pack takes them from there.

    Returns:
        Two members, from which `sslkit.nn.load_encoder` builds the encoder.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint of this toolkit.
    """
    encoder = load_encoder(checkpoint)
    about = {
        "version": PACKED,
        "encoder": encoder.spec(),
        "mean": encoder.mean.tolist(),
        "std": encoder.std.tolist(),
    }
    state = {name: x.contiguous() for name, x in encoder.backbone.state_dict().items()}
    file = folder / WEIGHTS
    # One note only: the format keeps several in no particular order.
    save_file(state, file, metadata={"format": "pt"})
    return {ENCODER: (json.dumps(about, indent=2) + "\n").encode(), WEIGHTS: file}
