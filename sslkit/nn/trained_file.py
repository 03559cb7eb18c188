"""A trained encoder from a file, whoever wrote it: nothing in the file is imported or run.

A run writes ``.ckpt``. A pack leaves ``.safetensors`` with ``.json`` beside it, which says what the
tensors are, and ``sslkit export`` a ``.safetensors`` that says it itself.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sslkit.nn.backbone import one_line
from sslkit.nn.checkpoint import RECORD, TENSORS, read_checkpoint
from sslkit.nn.encoders import Encoder
from sslkit.nn.specification import check_specification
from sslkit.nn.weights import load_strictly

# Of the JSON beside packed weights.
PACKED = 1


@dataclass(frozen=True)
class TrainedFile:
    """What a file has of a trained encoder.

    Attributes:
        encoder: In eval mode on the CPU, with the mean and std of its data.
        method: Name of the method that trained it; None where the file does not say.
        version: Of sslkit when it was trained; None where the file does not say.
    """

    encoder: Encoder
    method: str | None = None
    version: str | None = None


def load_encoder(path: Path | str) -> Encoder:
    """The trained encoder of a checkpoint, in eval mode on the CPU, with the data's mean and std.

    Args:
        path: A ``.ckpt`` file that a run of this toolkit wrote; the ``.safetensors`` of a pack,
            beside which is its ``.json``; or that of ``sslkit export --to safetensors``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of this toolkit or does not fit its specification.
    """
    return read_trained(path).encoder


def read_trained(path: Path | str) -> TrainedFile:
    """The trained encoder of a file, and what the file says of its training.

    Args:
        path: As for `load_encoder`.

    Raises:
        FileNotFoundError: As `load_encoder`.
        ValueError: As `load_encoder`.
    """
    if Path(path).suffix == TENSORS:
        return TrainedFile(_of_tensors(Path(path)))
    checkpoint = read_checkpoint(path)
    record = checkpoint[RECORD]
    method, version = record.get("method"), record.get("version")
    return TrainedFile(
        encoder=_of_checkpoint(checkpoint, path),
        method=method if isinstance(method, str) else None,
        version=version if isinstance(version, str) else None,
    )


def _of_checkpoint(checkpoint: dict[str, Any], path: Path | str) -> Encoder:
    try:
        encoder = Encoder.from_spec(checkpoint[RECORD]["encoder"])
    except ValueError as error:
        raise ValueError(
            f"checkpoint: the encoder that {path} describes cannot be built: {error}"
        ) from error
    prefix = "encoder."
    weights = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if isinstance(name, str) and name.startswith(prefix)
    }
    load_strictly(
        encoder,
        weights,
        problem=f"checkpoint: the weights in {path} are not of the encoder that it describes",
        advice="The file was changed after it was written, or by another version of timm.",
    )
    return encoder.eval()


def _of_tensors(path: Path) -> Encoder:
    """Plain tensors of a backbone, and in JSON what else an encoder is."""
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint: there is no file {path}.")
    beside = path.with_suffix(".json")
    text, where = _header(path), f"the header of {path}"
    in_header = text is not None
    if not in_header:
        if not beside.is_file():
            raise FileNotFoundError(
                f"checkpoint: there is no file {beside}, which would say of what encoder the "
                f"tensors in {path} are: put it beside them, or give the tensors to an encoder of "
                "yours as its `weights`."
            )
        where = str(beside)
    try:
        about = json.loads(beside.read_text(encoding="utf-8") if text is None else text)
        spec, mean, std = about["encoder"], about["mean"], about["std"]
        if not isinstance(spec, dict):
            raise ValueError("its encoder is no mapping")
        if not in_header and about["version"] != PACKED:
            raise ValueError(f"version {about['version']!r}")
        check_specification(spec)
        encoder = Encoder(**spec, weights=path)
        encoder.set_statistics(mean, std)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"checkpoint: {where} does not describe the encoder of {path}: {one_line(error)}"
        ) from error
    return encoder.eval()


def _header(path: Path) -> str | None:
    """What the file itself says of its encoder, if it does."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get(RECORD)
    except SafetensorError as error:
        raise ValueError(
            f"checkpoint: {path} cannot be read as tensors ({one_line(error)}): it is damaged, or "
            "no safetensors file."
        ) from error
