"""Tar shards as a source of images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.errors import DataError
from sslkit.data.labels import whole_label
from sslkit.data.pil_images import open_image
from sslkit.data.shard_names import shard_names
from sslkit.data.shard_reader import ShardReader
from sslkit.data.shard_samples import Sample, is_address, read_samples, scan_samples, webdataset


class TarShards(Dataset):
    """Images in tar archives of WebDataset's layout, for sets that are too large for a folder.

    An archive holds samples one after another: members of one name, of which one is an image
    (``0001.jpg``, ``.png``, ...) and another may hold its label: ``0001.cls`` a whole number as
    text, or ``0001.json`` an object with the number as ``label`` or ``cls``. Other members are
    passed over, and so are samples without an image.

    Training reads shards from their first byte to the last, mixed by the seed and the epoch: the
    order of the shards is shuffled, their images are divided evenly among ranks and workers, each
    of which hands out its own in a random order of ``shuffle`` images that it holds. Every image is
    read once an epoch, but for the incomplete last batch. A resumed run passes over what it has
    had, without decoding it, if the numbers of ranks and workers are the same.

    An image's position counts through the shards in the order in which they are named.

    Attributes:
        shards: The S paths or addresses.
        counts: ``(S,)`` int64 images of each.
        labels: ``(N,)`` int64, −1 = unlabelled; None if only reading tells.
        num_classes: K, where it was given.
        in_order_only: Whether an image can be reached only through those before it.
        shuffle: Images that a worker holds.

    Args:
        shards: Paths or http(s) addresses with braces, ``data/train-{0000..0146}.tar``, paths with
            ``*``, or a list of them.
        size: N. None reads the headers of all shards at the start, which must then be files, and so
            knows the number of images in each and all labels. Given, nothing is read before it is
            needed: every shard but the last must hold N / S images, rounded up.
        shuffle: Encoded images that each worker holds to mix them, at least 1.
        num_classes: K, for shards that are not read at the start; None: as many as labels tell.

    Raises:
        DataError: If a shard cannot be read, or its labels not be understood.
        FileNotFoundError: If a shard is not there.
        ModuleNotFoundError: If ``webdataset`` is not installed (the extra ``stream``).
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        shards: str | Sequence[str],
        *,
        size: int | None = None,
        shuffle: int = 1000,
        num_classes: int | None = None,
    ) -> None:
        for name, value in (("size", size), ("shuffle", shuffle), ("num_classes", num_classes)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` of TarShards is {value}; it must be at least 1.")
        webdataset()  # says now, and not in a worker, that it is not there
        self.shards = shard_names(shards)
        self.shuffle = shuffle
        self.num_classes = num_classes
        self.labels: Tensor | None = None
        self.in_order_only = size is not None
        if size is not None:
            self.counts = _even(size, len(self.shards))
        else:
            self._scan()
        self._ends = self.counts.cumsum(0)
        self._reader = ShardReader(self.samples)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, position: int) -> tuple[Image.Image, Any]:
        """The image, opened but not decoded yet, and its label or None.

        Raises:
            DataError: If its shard cannot be read.
            OSError: If it is no image.
        """
        shard, number = self.place(position)
        if self.in_order_only:
            sample = self._reader.sample(shard, number)
            return open_image(sample.image), sample.label
        offset, size = self._places[position].tolist()
        with open(self.shards[shard], "rb") as file:
            file.seek(offset)
            image = file.read(size)
        label = None if self.labels is None else int(self.labels[position])
        return open_image(image), label

    def place(self, position: int) -> tuple[int, int]:
        """The shard of an image, and its number there, both from 0."""
        shard = int(torch.searchsorted(self._ends, position, right=True))
        return shard, position - int(self._ends[shard] - self.counts[shard])

    def samples(self, shard: int) -> Iterator[Sample]:
        """The images of one shard, read from its first byte to the last.

        Raises:
            DataError: If it cannot be read, or holds another number of images than it should.
        """
        count, expected = 0, int(self.counts[shard])
        for sample in read_samples(self.shards[shard]):
            count += 1
            if count > expected:
                break
            yield sample
        if count != expected:
            raise DataError(
                f"The shard {self.shards[shard]} holds {'more' if count > expected else count} "
                f"images, and {expected} were expected. `size` divides the images evenly: every "
                "shard but the last holds size / shards of them, rounded up. Correct it, or leave "
                "it out, so that the shards are counted (they must then not change)."
            )

    def item_name(self, position: int) -> str:
        """What messages call an image: its member and its shard."""
        shard, number = self.place(position)
        if self.in_order_only:
            known = self._reader.name(shard, number)
            return known or f"Image {number} in {self.shards[shard]}"
        return f"{self._members[position].decode()} in {self.shards[shard]}"

    def _scan(self) -> None:
        """Count images and find their places, names and labels."""
        addresses = [shard for shard in self.shards if is_address(shard)]
        if addresses:
            raise ValueError(
                f"`size` of TarShards must be given for shards that are not files: {addresses[0]} "
                "would have to be read as a whole to count its images."
            )
        # Arrays and no lists: worker processes that only read them share their memory.
        members, places, labels, counts = [], [], [], []
        for shard in self.shards:
            found = list(scan_samples(shard))
            if not found:
                raise DataError(
                    f"The shard {shard} holds no image: members such as 0001.jpg are looked for. "
                    "Leave it out, or write it anew."
                )
            counts.append(len(found))
            members.append(np.array([sample.member.encode() for sample in found]))
            places.append(np.array([sample.image for sample in found], dtype=np.int64))
            labels.append(torch.tensor([whole_label(s.label, s.name) for s in found]))
        self.counts, self.labels = torch.tensor(counts), torch.cat(labels)
        self._members, self._places = np.concatenate(members), np.concatenate(places)


def _even(size: int, shards: int) -> Tensor:
    """How many of so many images each shard holds: all but the last equally many."""
    each = -(-size // shards)
    counts = torch.full((shards,), each)
    counts[-1] = size - each * (shards - 1)
    if counts[-1] < 1:
        raise ValueError(
            f"`size` of TarShards is {size}, which cannot be the number of images in {shards} "
            f"shards that hold equally many, but for the last: {shards - 1} of {each} are more. "
            "Leave it out, so that they are counted."
        )
    return counts
