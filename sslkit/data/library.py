"""All images of a run, split by split: of one shape, in memory or streamed, with one class list."""

from dataclasses import dataclass
from typing import Literal

import torch
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.decode import ImageFormat, to_uint8
from sslkit.data.errors import UnreadableImageError
from sslkit.data.holdout import hold_out
from sslkit.data.labels import LabelMap, map_classes
from sslkit.data.resident import ResidentImages, load_resident, unreadable
from sslkit.data.source import fetch, item_name, known_classes, known_labels, length
from sslkit.data.stream import StreamedImages
from sslkit.seeding import counter_generator

# The stream of the hold-out's draw; other draws of the toolkit count other things.
_HOLD_OUT = 104729
# The shape comes from the first readable image. So many unreadable ones in a row, from the start,
# are no stray accidents.
_FIRST = 1000

Images = ResidentImages | StreamedImages


@dataclass(frozen=True, kw_only=True)
class LibraryOptions:
    """What `sslkit.data.ImageDataModule` was told about reading images; see there."""

    val_fraction: float
    image_size: int | None
    channels: int | None
    limit: int | None
    resident_bytes: float
    on_bad_image: Literal["error", "skip"]


class Library:
    """The images of a run. Training images are opened at once, other splits when asked for.

    Attributes:
        wanted: The one shape of all images.
        classes: The K class names of the training split, or None.
        num_classes: K, or None if the training images have no labels, or of an unknown number of
            classes.

    Args:
        sources: ``train``, and maybe ``val`` and ``test``.
        options: How to read them.
        seed: Fixes the hold-out.

    Raises:
        DataError: If an image or label that is read now cannot be used.
        ValueError: If the hold-out leaves too little.
    """

    def __init__(self, sources: dict[str, Dataset], options: LibraryOptions, seed: int) -> None:
        self.options = options
        self._sources = sources
        self._bytes_left = options.resident_bytes
        source = sources["train"]
        self.wanted = self._find_format(source)
        self.classes = known_classes(source)
        self.num_classes = len(self.classes) if self.classes else _count(known_labels(source))
        count = min(options.limit or length(source), length(source))
        store = self._read(source, count, LabelMap(None, self.num_classes, "training"))
        self.num_classes = self.num_classes or _count(store.labels)
        if self.num_classes is None or not is_labelled(store):
            self.num_classes = self.classes = None
        self._stores: dict[str, Images] = {"train": store}
        if options.limit is not None and self.num_classes and store.labels is not None:
            there = len(store.labels[store.labels >= 0].unique())
            if there < self.num_classes:
                rank_zero_warn(
                    f"`limit` keeps the first {count} training images, which come from only "
                    f"{there} of {self.num_classes} classes."
                )
        if options.val_fraction and "val" in sources:
            rank_zero_info("`val_fraction` holds out nothing: there is a validation split already.")
        elif options.val_fraction and (store.labels is None or self.num_classes is None):
            rank_zero_info(
                "`val_fraction` holds out nothing: without labels there is nothing to validate."
            )
        elif options.val_fraction and store.labels is not None:
            generator = counter_generator(_HOLD_OUT, seed)
            kept, held = hold_out(store.labels, options.val_fraction, generator)
            self._stores = {"train": store.subset(kept), "val": store.subset(held)}

    def __contains__(self, split: str) -> bool:
        return split in self._sources or split in self._stores

    def __getitem__(self, split: str) -> Images:
        """The images of a split that is there."""
        if split not in self._stores:
            source = self._sources[split]
            labels = map_classes(known_classes(source), self.classes, self.num_classes, split)
            self._stores[split] = self._read(source, length(source), labels)
        return self._stores[split]

    def sizes(self) -> dict[str, int]:
        """Number of images by split; in a split not opened yet, unreadable ones count too."""
        sizes = {split: length(source) for split, source in self._sources.items()}
        return sizes | {split: len(store) for split, store in self._stores.items()}

    def _find_format(self, source: Dataset) -> ImageFormat:
        """From what was given and, for the rest, from the first readable training image."""
        size, channels = self.options.image_size, self.options.channels
        for position in range(min(_FIRST, length(source))):
            name = item_name(source, position)
            try:
                image = to_uint8(fetch(source, position)[0], name)
            except UnreadableImageError as error:
                if self.options.on_bad_image == "error":
                    raise unreadable(str(error)) from error
                continue
            return ImageFormat(
                channels=channels or image.shape[0],
                height=size or image.shape[1],
                width=size or image.shape[2],
                resize=size is not None,
                convert=channels is not None,
                reference=name,
            )
        raise UnreadableImageError(
            f"None of the first {min(_FIRST, length(source))} training images can be read, from "
            f"{item_name(source, 0)} on."
        )

    def _read(self, source: Dataset, count: int, label_map: LabelMap) -> Images:
        """The first ``count`` images of a source: in memory if they fit, else streamed."""
        channels, height, width = self.wanted.shape
        size = count * channels * height * width
        if size <= self._bytes_left:
            self._bytes_left -= size
            return load_resident(source, count, self.wanted, label_map, self.options.on_bad_image)
        labels = known_labels(source)
        return StreamedImages(
            source=source,
            rows=torch.arange(count),
            wanted=self.wanted,
            label_map=label_map,
            labels=None if labels is None else label_map(labels[:count]),
            on_bad_image=self.options.on_bad_image,
        )


def is_labelled(store: Images) -> bool:
    """Whether any image has a label; where only reading tells, the first readable one decides."""
    if store.labels is not None:
        return bool((store.labels >= 0).any())
    for position in range(min(_FIRST, len(store))):
        batch = store.__getitems__([position]).batch
        if batch is not None:
            return int(batch.label[0]) >= 0
    return False


def _count(labels: Tensor | None) -> int | None:
    """K of ``(n,)`` labels 0 to K−1, −1 = unlabelled; None if there are none."""
    return int(labels.max()) + 1 if labels is not None and int(labels.max()) >= 0 else None
