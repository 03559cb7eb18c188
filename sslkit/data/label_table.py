"""``labels.csv`` in a folder of images: which classes each image has.

N images, K classes.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from sslkit.data.label_sets import sets_of

FILE = "labels.csv"
_HOW = (
    "It starts with the line `image,class` (one class an image, empty for none known) or "
    "`image,classes` (any number of them with ; between, empty for none), and has a line for each "
    "image: its path below the folder, with / between folders, and the names of its classes."
)


def read_label_table(path: Path, images: Sequence[str]) -> tuple[Tensor, list[str]]:
    """Read the classes of some images.

    Args:
        path: The table.
        images: N paths below its folder, with / between folders.

    Returns:
        With a column ``class``, ``(N,)`` int64, −1 = unlabelled; with a column ``classes``,
        ``(N, K)`` bool. And the K names of the classes, sorted.

    Raises:
        ValueError: If it is no such table, has no line for an image, or two; the message names the
            line.
    """
    column, found = _read(path)
    missing = [image for image in images if image not in found]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ValueError(
            f"{path} has no line for the image {missing[0]}{more}. Name every image of the folder, "
            f"by its path below it; leave the second column empty where there is no class. {_HOW}"
        )
    absent = len(found) - len(set(images))
    if absent:
        strange = next(iter(found.keys() - set(images)))
        rank_zero_warn(
            f"{path} names {absent:,} images that are not there, such as {strange}: these lines "
            "are passed over."
        )
    each = [found[image] for image in images]
    names = sorted({name for own in each for name in own})
    if not names:
        raise ValueError(f"{path} names no class. Fill it, or remove it for unlabelled images.")
    number = {name: index for index, name in enumerate(names)}
    if column == "class":
        return torch.tensor([number[own[0]] if own else -1 for own in each]), names
    return sets_of([[number[name] for name in own] for own in each], len(names)), names


def _read(path: Path) -> tuple[str, dict[str, list[str]]]:
    """The name of the second column, and the classes of every image that the table names."""
    found: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip() for name in next(lines, [])]
            if header not in (["image", "class"], ["image", "classes"]):
                raise ValueError(f"{path} starts with {','.join(header) or 'nothing'!r}. {_HOW}")
            for line in filter(None, lines):
                if len(line) != 2:
                    raise ValueError(
                        f"line {lines.line_num} of {path} has {len(line)} columns instead of 2: "
                        f"put a text that holds a comma between double quotes. {_HOW}"
                    )
                image = line[0].strip().removeprefix("./")
                if image in found:
                    raise ValueError(f"{path} has a second line for {image}, {lines.line_num}.")
                found[image] = _names(line[1], header[1])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}). {_HOW}") from error
    return header[1], found


def _names(text: str, column: str) -> list[str]:
    """The classes in a field, each once."""
    parts = [text] if column == "class" else text.split(";")
    return list(dict.fromkeys(name for part in parts if (name := part.strip())))
