"""The trained encoder that a probe or a fine-tuning starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def leaves_open(arguments: Mapping[str, Any]) -> bool:
    """Whether a model starts from a checkpoint or an encoder, and neither is given.

    Args:
        arguments: Of the model, with those that are not given as None.
    """
    return all(key in arguments and arguments[key] is None for key in ("checkpoint", "encoder"))


def check_start(model: Mapping[str, Any] | None) -> None:
    """Refuse a model that does not say what it starts from, before its images are fetched.

    Models of others are let through: their constructors know what may be left open.

    Args:
        model: Of a resolved config, with ``class_path`` and ``init_args``.

    Raises:
        FileNotFoundError: If the checkpoint is not there.
        ValueError: If it leaves open what it starts from.
    """
    if model is None or not (arguments := model.get("init_args")):
        return
    module, _, name = str(model["class_path"]).rpartition(".")
    if not f"{module}.".startswith("sslkit."):
        return
    if leaves_open(arguments):
        raise ValueError(
            f"model.checkpoint must be given: {name} starts from a trained encoder. Add "
            "--model.checkpoint FILE, such as runs/small/simclr/version_0/checkpoints/last.ckpt, "
            "which `sslkit fit --config small/simclr` writes; the checkpoint of any run will do, "
            "and so will the .safetensors that a pack brings with it (`sslkit recipe add`)."
        )
    checkpoint = arguments["checkpoint"] if "checkpoint" in arguments else None
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise FileNotFoundError(
            f"model.checkpoint is {checkpoint}, and there is no such file: runs write theirs to "
            "runs/<recipe>/version_N/checkpoints/last.ckpt."
        )


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
