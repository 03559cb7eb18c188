"""An export from a checkpoint's encoder to a file: whole and proven, or not there at all."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from sslkit.interchange.comparison import largest_difference
from sslkit.interchange.target import Target
from sslkit.nn import Encoder

Card = Callable[[float], str]
"""From the largest difference of the features to the text of the card."""


def export_encoder(
    encoder: Encoder,
    target: Target,
    out: Path | str,
    *,
    card: Card,
    more: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write a backbone for another library, with its card.

    Everything is written beside its place, loaded from there by the other library, compared with
    the encoder on real images, and only then renamed.

    Args:
        encoder: In eval mode, on the CPU.
        target: The library.
        out: The file, with an ending of the target's, or the folder, which must not be there or be
            empty. An earlier file is replaced.
        card: Makes the card's text. It becomes the folder's ``README.md``, or ``<file>.md``.
        more: Further text files of a folder by name; not written beside a file.

    Returns:
        What was written: the file or folder first.

    Raises:
        ValueError: If the ending is another one, the library has no such network, or its features
            differ. Nothing is written then.
        OSError: If the place cannot be written.
    """
    out = Path(out)
    _check_place(target, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: a rename across file systems would be a copy.
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.mkdir()
        draft = unfinished / out.name
        target.write(encoder, draft)
        text = card(largest_difference(encoder, target.read(encoder, draft), target.library))
        if target.suffixes:
            beside = f"{out.name}.md"
            (unfinished / beside).write_text(text, encoding="utf-8")
            shutil.copymode(unfinished / beside, draft)  # safetensors writes for its owner only
            os.replace(draft, out)
            os.replace(unfinished / beside, out.with_name(beside))
            return [out, out.with_name(beside)]
        for name, content in {**(more or {}), "README.md": text}.items():
            (draft / name).write_text(content, encoding="utf-8")
        for file in draft.iterdir():
            shutil.copymode(draft / "README.md", file)
        os.replace(draft, out)
        return [out, out / "README.md"]
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_place(target: Target, out: Path) -> None:
    if target.suffixes and out.suffix not in target.suffixes:
        raise ValueError(
            f"export: --out must end in {' or '.join(target.suffixes)} for this target, got {out}."
        )
    if target.suffixes and out.is_dir():
        raise ValueError(f"export: --out {out} is a folder: name a file.")
    if not target.suffixes and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"export: --out {out} is there and not an empty folder: name another, or remove it."
        )
