"""A folder in the layout of the Hugging Face hub, as timm reads it from there or from a disk."""

import json
from pathlib import Path
from typing import Any

import timm
import timm.models
from safetensors.torch import save_file
from timm.models import load_checkpoint

from sslkit.interchange.target import Features, Target, input_side, python, refuse_group_norm
from sslkit.interchange.timm_file import load_with_changes
from sslkit.interchange.timm_network import call_text, timm_arguments, timm_network
from sslkit.nn import Encoder

WEIGHTS = "model.safetensors"


class HubFolder(Target):
    """``config.json`` and ``model.safetensors``; the card is the folder's ``README.md``."""

    library = "timm"

    def write(self, encoder: Encoder, path: Path) -> None:
        """Write the two files; timm's data config then has this data's mean and std."""
        refuse_group_norm(encoder, self.library)
        path.mkdir()
        side = input_side(encoder)
        network, _ = timm_network(encoder)
        theirs: Any = network.pretrained_cfg
        kept = ("first_conv", "classifier", "fixed_input_size")
        config = {
            "architecture": encoder.name.split(".")[0],
            "num_classes": 0,
            "num_features": encoder.num_features,
            "model_args": {n: x for n, x in timm_arguments(encoder).items() if n != "num_classes"},
            "pretrained_cfg": {
                **{n: theirs[n] for n in kept if n in theirs},
                "input_size": [encoder.in_channels, side, side],
                "interpolation": "bilinear",
                "crop_pct": 1.0,
                "crop_mode": "center",
                "mean": encoder.mean.tolist(),
                "std": encoder.std.tolist(),
            },
        }
        (path / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        state = {n: x.contiguous() for n, x in encoder.backbone.state_dict().items()}
        save_file(state, path / WEIGHTS, metadata={"format": "pt"})

    def read(self, encoder: Encoder, path: Path) -> Features:
        """Create it from the folder; with a stem for small images, that first."""
        network, changes = timm_network(encoder)
        if not changes:
            return timm.create_model(f"local-dir:{path}", pretrained=True).eval()
        load_checkpoint(network, str(path / WEIGHTS))
        return network

    def usage(self, encoder: Encoder, name: str) -> str:
        """Two lines of Python, the same from the hub."""
        _, changes = timm_network(encoder)
        if changes:
            return load_with_changes(encoder, f"{name}/{WEIGHTS}", call_text(encoder))
        return "\n\n".join(
            [
                python(
                    "import timm\n"
                    f'model = timm.create_model("local-dir:{name}", pretrained=True).eval()'
                ),
                'From the hub it is `"hf-hub:USER/NAME"` in place of the folder.',
            ]
        )
