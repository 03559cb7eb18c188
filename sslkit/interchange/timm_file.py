"""Weights under timm's names, for `timm.create_model`."""

from pathlib import Path

import timm.models
import torch
from safetensors.torch import save_file

from sslkit.interchange.target import Features, Target, python, refuse_group_norm
from sslkit.interchange.timm_network import call_text, timm_network
from sslkit.nn import Encoder


class TimmFile(Target):
    """A file for the ``checkpoint_path`` of `timm.create_model`.

    timm has no stem for small images: where the encoder has one, the two layers are replaced in
    timm's network before its weights are loaded.
    """

    suffixes = (".safetensors", ".pth")
    library = "timm"

    def write(self, encoder: Encoder, path: Path) -> None:
        """Write the state dict: safetensors, or a pickle of tensors, as the ending says."""
        refuse_group_norm(encoder, self.library)
        state = {n: x.contiguous() for n, x in encoder.backbone.state_dict().items()}
        if path.suffix == ".pth":
            torch.save(state, path)
        else:
            save_file(state, path, metadata={"format": "pt"})

    def read(self, encoder: Encoder, path: Path) -> Features:
        """Load it with timm's own loader, which is strict."""
        network, _ = timm_network(encoder)
        timm.models.load_checkpoint(network, str(path))
        return network

    def usage(self, encoder: Encoder, name: str) -> str:
        """Two lines of Python; more with a stem for small images."""
        return load_with_changes(encoder, name, call_text(encoder))


def load_with_changes(encoder: Encoder, file: str, call: str) -> str:
    """How a file of weights gets into timm's network.

    Args:
        encoder: The encoder.
        file: The weights.
        call: The call of `timm.create_model` as Python, without weights.
    """
    _, changes = timm_network(encoder)
    if not changes:
        call = f'{call[:-1]}, checkpoint_path="{file}")'
        return python(f"import timm\nmodel = {call}.eval()")
    lines = [f'model.set_submodule("{c.path}", {c.text})' for c in changes]
    code = "\n".join(
        [
            "import timm",
            "import torch",
            f"model = {call}",
            *lines,
            f'timm.models.load_checkpoint(model, "{file}")',
            "model.eval()",
        ]
    )
    return (
        "It was trained with a stem for small images, a 3x3 convolution of stride 1 without "
        "pooling, which timm does not have: its own is replaced first.\n\n" + python(code)
    )
