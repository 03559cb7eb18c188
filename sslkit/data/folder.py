"""A folder of images as a source: one subfolder per class, a table of labels, or unlabelled."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.label_sets import label_at
from sslkit.data.label_table import FILE, read_label_table

EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm",
)  # fmt: skip


class ImageFolder(Dataset):
    """The images under a folder, in sorted order.

    Three layouts are read:

    - a table ``labels.csv`` in the folder: it says which class or classes each image has, and names
      images by their paths below the folder; they are searched to any depth and subfolders are no
      classes. It starts with the line ``image,class``; or with ``image,classes``, where an image
      may have several, with ``;`` between them, or none;
    - images directly in the folder: *flat*, no labels;
    - subfolders: one class each, named by the subfolder and numbered in sorted order; each is
      searched to any depth. Subfolders without images are no classes, and a single class says
      nothing, so one subfolder alone is read as unlabelled too.

    The last two at once are ambiguous and refused. Files are known by their extension; hidden files
    and folders (a leading dot) are passed over, and so are links that lead back to a folder that
    they lie in.

    Attributes:
        root: The folder.
        classes: The K class names, or None.
        labels: ``(N,)`` int64, −1 = unlabelled; or ``(N, K)`` bool, several classes an image.

    Args:
        root: The folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file.
        ValueError: If it holds no image, or both layouts at once; or the table cannot be used.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        if not self.root.exists():
            raise FileNotFoundError(f"There is no folder {self.root} ({self.root.absolute()}).")
        if not self.root.is_dir():
            raise NotADirectoryError(f"{self.root} is a file, not a folder of images.")
        folders, files = list_folder(str(self.root))
        groups = [(folder, found) for folder in folders if (found := list(_images(folder)))]
        table = self.root / FILE
        if files and groups and not table.is_file():
            raise ValueError(
                f"{self.root} holds images directly ({os.path.basename(files[0])}) and in "
                f"subfolders ({os.path.basename(groups[0][0])}), so it is not clear whether the "
                "subfolders are classes. Move the images into class folders for labelled data, or "
                "all of them into one folder for unlabelled data."
            )
        if not files and not groups:
            raise ValueError(f"{self.root} holds no images. {_what_is_there(self.root)}")
        self.classes: list[str] | None = None
        paths = files + [path for _, found in groups for path in found]
        self.labels: Tensor = torch.full((len(paths),), -1, dtype=torch.int64)
        prefix = len(os.path.join(str(self.root), ""))
        if table.is_file():
            below = [path[prefix:].replace(os.sep, "/") for path in paths]
            self.labels, self.classes = read_label_table(table, below)
        elif len(groups) > 1:
            self.classes = [os.path.basename(folder) for folder, _ in groups]
            sizes = torch.tensor([len(found) for _, found in groups])
            self.labels = torch.repeat_interleave(torch.arange(len(groups)), sizes)
        # One buffer instead of a million strings: worker processes that only read it share its
        # memory, which reference counts on strings would make them copy.
        self._paths = np.array([os.fsencode(path[prefix:]) for path in paths])

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> tuple[Image.Image, int | Tensor]:
        """The image, opened but not decoded yet, and its label: a class, or a ``(K,)`` bool set."""
        return Image.open(self.path(position)), label_at(self.labels, position)

    def path(self, position: int) -> str:
        """The file of an image."""
        return os.path.join(str(self.root), os.fsdecode(bytes(self._paths[position])))


def holds_images(folder: str) -> bool:
    """Whether there is at least one image in a subfolder of a folder of images, at any depth."""
    return next(_images(folder), None) is not None


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """Sorted subfolders and sorted image files of one folder; hidden ones are left out."""
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link to itself leads nowhere; as a file it will be unreadable
                is_folder = False
            if is_folder:
                folders.append(entry.path)
            elif entry.name.lower().endswith(EXTENSIONS):
                files.append(entry.path)
    return sorted(folders), sorted(files)


def _images(folder: str) -> Iterator[str]:
    """All image files under a subfolder: its own, then those of its own subfolders, sorted."""
    return _walk(folder, {_identity(os.path.dirname(folder) or ".")})


def _walk(folder: str, above: set[tuple[int, int]]) -> Iterator[str]:
    """`_images`, except in a folder that is one of those above it: a link that leads back."""
    identity = _identity(folder)
    if identity in above:
        return
    folders, files = list_folder(folder)
    yield from files
    for inner in folders:
        yield from _walk(inner, above | {identity})


def _identity(folder: str) -> tuple[int, int]:
    """What tells a folder from all others, by whatever path it is reached."""
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _what_is_there(folder: Path) -> str:
    """What a folder without images holds instead, for a message."""
    names = sorted(entry.name for entry in folder.iterdir())
    found = f"It holds {', '.join(names[:3])}" if names else "It is empty"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"{found}{more}. Give a folder with image files ({' '.join(EXTENSIONS)}), or with one "
        "subfolder of them per class."
    )
