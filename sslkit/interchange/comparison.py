"""Whether another library gives the same features, asked with real images."""

import torch
from torch import Tensor

from sslkit.data.embedded import quickstart_splits
from sslkit.interchange.target import Features, input_side
from sslkit.nn import Encoder

TOLERANCE = 1e-5
IMAGES = 8


def real_images(encoder: Encoder, count: int = IMAGES) -> Tensor:
    """Photographs of the embedded set as the encoder wants them.

    Args:
        encoder: The encoder.
        count: How many, B.

    Returns:
        (B,C,S,S) float32, normalised with the encoder's statistics. Grey images stand for those of
        C channels.
    """
    grey = quickstart_splits()["test"].tensor(count)
    side = input_side(encoder)
    images = grey.expand(-1, encoder.in_channels, -1, -1).float()
    larger = torch.nn.functional.interpolate(images, size=(side, side), mode="bilinear")
    return encoder.preprocess(larger.round().to(torch.uint8))


@torch.no_grad()
def largest_difference(encoder: Encoder, theirs: Features, library: str) -> float:
    """Compare the features, with a batch and with a single image.

    Args:
        encoder: In eval mode.
        theirs: The features as another library computes them.
        library: What the message calls it.

    Returns:
        The largest difference between two numbers, in units of the largest feature (or of 1, where
        all are below that).

    Raises:
        ValueError: If it is above `TOLERANCE`, or a feature is no number.
    """
    images = real_images(encoder)
    own = encoder(images)
    other = theirs(images)
    alone = theirs(images[:1])
    if other.shape != own.shape or not torch.isfinite(own).all():
        raise ValueError(
            f"export: the features are {tuple(own.shape)} here and {tuple(other.shape)} in "
            f"{library}, or not all of them are numbers. Nothing was written."
        )
    scale = max(1.0, float(own.abs().max()))
    difference = max(float((other - own).abs().max()), float((alone - own[:1]).abs().max())) / scale
    if not difference <= TOLERANCE:
        raise ValueError(
            f"export: the features in {library} differ from sslkit's by {difference:.1g} of the "
            f"largest on real images, more than {TOLERANCE:g}. Nothing was written."
        )
    return difference
