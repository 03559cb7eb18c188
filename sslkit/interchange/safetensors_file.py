"""The backbone as plain safetensors that describe themselves, for sslkit and any other reader."""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from sslkit._version import __version__
from sslkit.interchange.target import Features, Target, python
from sslkit.nn import Encoder


class SafetensorsFile(Target):
    """Tensors under timm's names; the header holds the encoder's specification, mean and std."""

    suffixes = (".safetensors",)
    library = "safetensors"

    def write(self, encoder: Encoder, path: Path) -> None:
        """Write the tensors and the header."""
        about = {
            "encoder": encoder.spec(),
            "mean": encoder.mean.tolist(),
            "std": encoder.std.tolist(),
            "version": __version__,
        }
        state = {n: x.contiguous() for n, x in encoder.backbone.state_dict().items()}
        save_file(state, path, metadata={"format": "pt", "sslkit": json.dumps(about)})

    def read(self, encoder: Encoder, path: Path) -> Features:
        """An encoder built from the header alone, with the file as its weights."""
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["sslkit"])
        own = Encoder.from_spec(about["encoder"])
        loaded = Encoder(**own.spec(), weights=path)
        loaded.set_statistics(about["mean"], about["std"])
        return loaded.eval()

    def usage(self, encoder: Encoder, name: str) -> str:
        """With sslkit, and with safetensors alone."""
        spec = encoder.spec()
        given = {n: spec[n] for n in ("in_channels", "image_size", "small_images", "norm")}
        default = {"in_channels": 3, "image_size": None, "small_images": False, "norm": "batch"}
        given = {n: x for n, x in given.items() if x != default[n]}
        if encoder.options:
            given["options"] = spec["options"]
        arguments = "".join(f", {n}={x!r}" for n, x in given.items()).replace("'", '"')
        return "\n\n".join(
            [
                python(
                    "from sslkit.nn import Encoder\n"
                    f'encoder = Encoder("{encoder.name}"{arguments}, weights="{name}").eval()'
                ),
                "The tensors alone, under timm's names:",
                python(f'from safetensors.torch import load_file\ntensors = load_file("{name}")'),
            ]
        )
