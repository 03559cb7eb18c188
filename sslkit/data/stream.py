"""A split too large for memory: read again every epoch, by worker processes.

n images in this split, B in a batch. Workers decode, resize and crop, nothing else: views are made
on the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.batch import Batch
from sslkit.data.decode import ImageFormat, conform, to_uint8
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.fetched import Fetched, T
from sslkit.data.label_sets import joined
from sslkit.data.labels import LabelMap, one_label
from sslkit.data.resident import unreadable
from sslkit.data.shards import TarShards
from sslkit.data.source import fetch, item_name
from sslkit.seeding import counter_generator

# How often another image is tried in place of an unreadable one. With half of all images
# unreadable, 32 misses in a row have a chance of 2e-10.
_TRIES = 32


@dataclass(frozen=True, eq=False)
class StreamedImages(Dataset):
    """Images read when they are asked for.

    Attributes:
        source: Where they are.
        rows: ``(n,)`` int64, the position in the source of each image of this split.
        wanted: What they are brought to.
        label_map: From the source's labels to class indices.
        labels: ``(n,)`` int64 class indices, −1 = unlabelled; or ``(n, K)`` bool; None if only
            reading tells.
        on_bad_image: What an unreadable image leads to: ``error`` ends the run; ``skip`` makes the
            batch smaller; ``replace`` reads another image of the split in its place (always the
            same one, index and label with it), so that every batch keeps its size, as losses that
            gather across ranks need.
    """

    source: Dataset
    rows: Tensor
    wanted: ImageFormat
    label_map: LabelMap
    labels: Tensor | None
    on_bad_image: Literal["error", "skip", "replace"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, positions: Sequence[int]) -> Fetched[Batch]:
        """B images at once, ``positions`` in 0 to n−1."""
        return self.collect(
            positions,
            [self.wanted.shape],
            self._whole,
            lambda parts, label, index: Batch(parts[0], label, index),
        )

    def collect(
        self,
        positions: Sequence[int],
        shapes: Sequence[tuple[int, int, int]],
        prepare: Callable[[Any, str, int], Sequence[Tensor]],
        batch: Callable[[list[Tensor], Tensor, Tensor], T],
    ) -> Fetched[T]:
        """B images at once, as one or more tensors each.

        Args:
            positions: 0 to n−1.
            shapes: ``(C, H, W)`` of each of an image's tensors.
            prepare: Makes them, from the image as it was read, its name and its row.
            batch: From tensors ``(B, C, H, W)``, labels and rows to what is handed out.

        Returns:
            The batch, or the error.
        """
        parts = [torch.empty((len(positions), *shape), dtype=torch.uint8) for shape in shapes]
        labels: list[int | Tensor] = []
        rows: list[int] = []
        problems: list[str] = []
        try:
            for position in positions:
                for row in self._candidates(position):
                    try:
                        raw, label = fetch(self.source, row)
                        name = item_name(self.source, row)
                        images = prepare(raw, name, row)
                    except UnreadableImageError as error:
                        if self.on_bad_image == "error":
                            raise unreadable(str(error)) from error
                        problems.append(str(error))
                        continue
                    for part, image in zip(parts, images, strict=True):
                        part[len(rows)] = image
                    labels.append(one_label(label, name))
                    rows.append(row)
                    break
            if not rows or (self.on_bad_image == "replace" and len(rows) < len(positions)):
                raise UnreadableImageError(
                    f"{len(problems)} images of the {self.label_map.split} split in a row cannot "
                    f"be read; the first problem: {problems[0]}"
                )
            label = self.label_map(
                joined(labels, lambda number: item_name(self.source, rows[number]))
            )
        except DataError as error:
            return Fetched(None, problems, error)
        made = batch([part[: len(rows)] for part in parts], label, torch.tensor(rows))
        return Fetched(made, problems, None)

    def subset(self, positions: Tensor) -> "StreamedImages":
        """The images at ``positions (m,)`` int64, in that order."""
        labels = None if self.labels is None else self.labels[positions]
        return replace(self, rows=self.rows[positions], labels=labels)

    def replacing(self) -> "StreamedImages":
        """The same images; what would be skipped is replaced, so that batches keep their size."""
        return replace(self, on_bad_image="replace") if self.on_bad_image == "skip" else self

    def sample(self, size: int, generator: torch.Generator) -> Tensor:
        """Positions (at most ``size``,) int64 of some of the images, in ascending order.

        A random sample; the first images, where others are reached only through all before them.
        """
        if isinstance(self.source, TarShards) and self.source.in_order_only:
            return torch.arange(min(size, len(self)))
        return torch.randperm(len(self), generator=generator)[:size].sort().values

    def _candidates(self, position: int) -> list[int]:
        """The rows to try for a position: its own, then, to replace it, others drawn from it."""
        own = int(self.rows[position])
        if self.on_bad_image != "replace":
            return [own]
        generator = counter_generator(own, len(self.rows))
        others = torch.randint(len(self.rows), (_TRIES,), generator=generator)
        return [own, *self.rows[others].tolist()]

    def _whole(self, raw: Any, name: str, row: int) -> list[Tensor]:
        size = self.wanted.height if self.wanted.resize else None
        return [conform(to_uint8(raw, name, image_size=size), self.wanted, name)]
