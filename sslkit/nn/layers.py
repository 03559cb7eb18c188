"""Several sets of features from one pass of an encoder: its output, and its maps, pooled.

Shapes: B images, C channels, S side of the square input, F feature width, F_l that of a map.
"""

from typing import Any

import torch
from torch import Tensor, nn

from sslkit.nn.encoders import Encoder
from sslkit.nn.feature_maps import spread_levels

OUTPUT = "output"


class LayeredEncoder(nn.Module):
    """An encoder whose features are its output, followed by the means and maxima of its last maps.

    It shares the encoder's weights. Which maps there are says `sslkit.nn.feature_maps`. What a few
    images show to be no features of its own (the mean of the last map of a ResNet is its output) is
    left out; of a backbone without maps, the output alone is left.

    Args:
        encoder: In eval mode, as the features are taken in.
        levels: At most so many maps, at least 1.
        images: ``(B, C, S, S)`` uint8, a few of the images to come.

    Attributes:
        widths: Of each set of features under its name, in their order: ``output``, then ``map 1 of
            2, mean``, ``map 1 of 2, maximum`` and so on, from shallow to deep.

    Raises:
        ValueError: If ``levels`` is less than 1.
    """

    def __init__(self, encoder: Encoder, levels: int, images: Tensor) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be at least 1, got {levels}.")
        self.encoder, self.levels = encoder, levels
        with torch.inference_mode():
            x = encoder.preprocess(images.to(encoder.mean.device))
            sets = self._all(x) if hasattr(encoder.backbone, "forward_intermediates") else {}
            output = encoder(x)
        if OUTPUT not in sets or not _alike(sets[OUTPUT], output):
            sets = {OUTPUT: output}  # a backbone that ends otherwise than its maps suggest
        different: dict[str, Tensor] = {}
        for name, found in sets.items():
            if not any(_alike(found, other) for other in different.values()):
                different[name] = found
        self.widths = {name: found.shape[1] for name, found in different.items()}

    @property
    def num_features(self) -> int:
        """The width of all sets together."""
        return sum(self.widths.values())

    def preprocess(self, images: Tensor) -> Tensor:
        """As the encoder's: (B,C,H,W) uint8 -> (B,C,S,S) float32."""
        return self.encoder.preprocess(images)

    def spec(self) -> dict[str, Any]:
        """The plain description of the encoder and of the sets of features."""
        return self.encoder.spec() | {"levels": self.levels, "sets": list(self.widths)}

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B,C,S,S) -> all sets of features, side by side."""
        if len(self.widths) == 1:
            return self.encoder(x)
        sets = self._all(x)
        return torch.cat([sets[name] for name in self.widths], dim=1)

    def _all(self, x: Tensor) -> dict[str, Tensor]:
        backbone: Any = self.encoder.backbone
        x = x.contiguous(memory_format=self.encoder.memory_format)
        last, maps = backbone.forward_intermediates(x, norm=True, output_fmt="NCHW")
        sets = {OUTPUT: backbone.forward_head(last)}
        chosen = spread_levels(maps, self.levels, self.encoder.name)
        for number, found in enumerate(chosen, start=1):
            name = f"map {number} of {len(chosen)}"
            sets[f"{name}, mean"] = found.mean((2, 3))
            sets[f"{name}, maximum"] = found.amax((2, 3))
        return sets


def _alike(a: Tensor, b: Tensor) -> bool:
    """Up to rounding; what is not finite is like nothing."""
    return a.shape == b.shape and bool((a - b).abs().max() <= 1e-4 * b.abs().max())
