"""The trained encoder that a probe or a fine-tuning starts from."""

from dataclasses import dataclass
from pathlib import Path

from sslkit.nn import Encoder, load_encoder


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder, and whether it knows how its images are normalised.

    Attributes:
        encoder: In eval mode if it comes from a checkpoint.
        has_statistics: Whether its mean and std are those that it was trained with; those of a
            checkpoint are, those of another encoder if they have been set.
    """

    encoder: Encoder
    has_statistics: bool


def trained_encoder(
    encoder: Encoder | None, checkpoint: Path | str | None, reader: str
) -> TrainedEncoder:
    """The one of both that was given.

    Args:
        encoder: An encoder, with weights of its own.
        checkpoint: The file of a run's checkpoint.
        reader: What needs it, for the message.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If none or both are given, or the file is no checkpoint.
    """
    if (encoder is None) == (checkpoint is None):
        given = "neither was" if encoder is None else "both were"
        raise ValueError(
            f"{reader} starts from a trained encoder, a checkpoint or an encoder, and {given} "
            "given: name a checkpoint (--model.checkpoint runs/.../checkpoints/last.ckpt), or an "
            "encoder with weights of its own."
        )
    if checkpoint is not None:
        return TrainedEncoder(load_encoder(checkpoint), has_statistics=True)
    assert encoder is not None
    # On the meta device there are no values: a recipe is only checked there.
    known = not encoder.mean.is_meta and bool((encoder.mean != 0).any() or (encoder.std != 1).any())
    return TrainedEncoder(encoder, has_statistics=known)
