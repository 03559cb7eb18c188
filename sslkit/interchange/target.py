"""What an export is: a way to write a backbone for another library, and to read it with that one.

B images, C channels, S side of the input, F feature width.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from sslkit.nn import Encoder

Features = Callable[[Tensor], Tensor]
"""Normalised images (B,C,S,S) float32 to pooled features (B,F)."""


class Target(ABC):
    """One library that an encoder's backbone can go to.

    Attributes:
        suffixes: Endings that the file may have; without any, the export is a folder.
        library: What messages call it.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    library: ClassVar[str]

    @abstractmethod
    def write(self, encoder: Encoder, path: Path) -> None:
        """Write the backbone, all of its tensors and nothing else.

        Args:
            encoder: A trained encoder in eval mode on the CPU.
            path: A file or folder that is not there yet.

        Raises:
            ValueError: If the library has no such network.
        """

    @abstractmethod
    def read(self, encoder: Encoder, path: Path) -> Features:
        """Load what was written with the library itself, strictly.

        Args:
            encoder: For its architecture only; its weights are not looked at.
            path: What `write` wrote.
        """

    @abstractmethod
    def usage(self, encoder: Encoder, name: str) -> str:
        """How a person loads it, as text in Markdown.

        Args:
            encoder: The encoder.
            name: Of the file or folder.
        """


def refuse_group_norm(encoder: Encoder, library: str) -> None:
    """Refuse an encoder without batch statistics, for which other libraries have no network.

    Raises:
        ValueError: If it has none.
    """
    if encoder.norm == "group":
        raise ValueError(
            f"export: {library} has no {encoder.name} with group normalisation and standardised "
            "convolutions (norm=group): use --to onnx, which needs no network of the library's, or "
            "--to safetensors for sslkit itself."
        )


def input_side(encoder: Encoder) -> int:
    """Side S in pixels of the images to try an encoder on, also where it takes any."""
    if encoder.image_size is not None:
        return encoder.image_size
    if encoder.small_images:
        return 32
    return int(encoder.backbone.pretrained_cfg["input_size"][-1])  # type: ignore[index]


def python(lines: str) -> str:
    """A block of Python in Markdown."""
    return f"```python\n{lines.strip()}\n```"
