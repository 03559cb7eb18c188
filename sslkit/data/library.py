"""All images of a run, split by split: of one shape, in memory or streamed, with one class list."""

from typing import Literal

import torch
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.first_image import MOST_UNREADABLE, find_format
from sslkit.data.folder import ImageFolder
from sslkit.data.holdout import hold_out
from sslkit.data.label_sets import any_label, class_count, classes_present
from sslkit.data.labels import LabelMap, map_classes
from sslkit.data.options import LibraryOptions
from sslkit.data.resident import ResidentImages, load_resident
from sslkit.data.source import known_class_count, known_classes, known_labels, length
from sslkit.data.stream import StreamedImages
from sslkit.data.subsets import label_fraction
from sslkit.seeding import counter_generator

# The stream of the hold-out's draw; other draws of the toolkit count other things.
_HOLD_OUT = 104729
# The stream of the draw that an evaluation of fewer images makes; the same images in every run.
_SUBSET = 7919

Images = ResidentImages | StreamedImages


class Library:
    """The images of a run. Training images are opened at once, other splits when asked for.

    A source that has been read into memory is let go, so that what it holds is not there twice.

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
        self._sources = dict(sources)  # those of the splits that are not opened yet
        # Names of files only: unlike other sources, a folder holds no images.
        self._folders = {s: part for s, part in sources.items() if isinstance(part, ImageFolder)}
        self._bytes_left = options.resident_bytes
        source = self._sources.pop("train")
        self.wanted = find_format(
            source,
            image_size=options.image_size,
            channels=options.channels,
            on_bad_image=options.on_bad_image,
        )
        self.classes = known_classes(source)
        self.num_classes = known_class_count(source)
        count = min(options.limit or length(source), length(source))
        training = LabelMap(None, self.num_classes, "training")
        store = self._read(source, count, training, keep=options.crop == "device")
        self.num_classes = self.num_classes or class_count(store.labels) or set_width(store)
        if self.num_classes is None or not is_labelled(store):
            self.num_classes = self.classes = None
        self._all_training: Images = store  # with those that are held out
        self._stores: dict[str, Images] = {"train": store}
        if options.limit is not None and self.num_classes and store.labels is not None:
            there = classes_present(store.labels)
            if there < self.num_classes:
                rank_zero_warn(
                    f"`limit` keeps the first {count} training images, which come from only "
                    f"{there} of {self.num_classes} classes."
                )
        if options.val_fraction:
            self._hold_out(options.val_fraction, seed)
        self._held_out = self._stores["train"] is not store
        if options.label_fraction < 1:
            self._stores["train"] = _few_labels(self._stores["train"], options.label_fraction, seed)

    def _hold_out(self, fraction: float, seed: int) -> None:
        """Split the training images in two, or say why not."""
        store = self._all_training
        if "val" in self._sources:
            rank_zero_info("`val_fraction` holds out nothing: there is a validation split already.")
            return
        if self.num_classes is None:
            why = (
                "the labels of these images are known only by reading each, and how many classes "
                "there are is not known. Give the data set an attribute `classes` or `targets`, "
                "or raise `resident_gb` so that all images are read once and kept."
                if store.labels is None and is_labelled(store)
                else "without labels there is nothing to validate."
            )
            rank_zero_info(f"`val_fraction` holds out nothing: {why}")
            return
        labels = store.labels
        if labels is None or labels.ndim == 2:
            why = "images have several" if labels is not None else "only reading them tells which"
            rank_zero_info(
                f"`val_fraction` holds out images at random, not balanced by class: {why}."
            )
            labels = torch.zeros(len(store), dtype=torch.int64)
        held = hold_out(labels, fraction, counter_generator(_HOLD_OUT, seed)) & (labels >= 0)
        if not held.any():
            raise ValueError(
                f"`val_fraction` is {fraction}, but no class has two training images, one to keep "
                "and one to hold out. Give more images, or set `val_fraction` to 0."
            )
        for split, chosen in (("train", ~held), ("val", held)):
            self._stores[split] = store.subset(torch.nonzero(chosen).flatten())
        if "train" in self._folders:
            self._folders["val"] = self._folders["train"]

    def __contains__(self, split: str) -> bool:
        return split in self._sources or split in self._stores

    def __getitem__(self, split: str) -> Images:
        """The images of a split that is there."""
        if split not in self._stores:
            source = self._sources[split]
            labels = map_classes(known_classes(source), self.classes, self.num_classes, split)
            self._stores[split] = self._read(source, length(source), labels)
            del self._sources[split]
        return self._stores[split]

    def to_evaluate(self, split: str, limit: int | None) -> Images:
        """What `sslkit.data.ImageDataModule.eval_dataloader` reads; see there."""
        together = split == "train_and_held_out"
        if not together and split not in self:
            hint = " Validation images can be tested on too: name them as `test_source`."
            raise ValueError(
                f"There is no {split} split: the data has {', '.join(self.sizes())}. Give a "
                f"`{split}_source`, or a `source` with a {split} split."
                f"{hint if split == 'test' else ''}"
            )
        if limit is not None and limit < 1:
            raise ValueError(f"`limit` is {limit}; it must be at least 1.")
        store = self._all_training if together else self[split]
        if limit is None or limit >= len(store):
            return store
        # At random, not at equal distances: labels may repeat with just that period.
        chosen = torch.randperm(len(store), generator=counter_generator(_SUBSET, len(store)))
        return store.subset(chosen[:limit].sort().values)

    def evaluation_split(self, *, labelled: bool) -> Literal["test", "val"] | None:
        """See `sslkit.data.ImageDataModule.evaluation_split`."""
        if self.num_classes is None:
            return None
        fits = self._has_labels if labelled else self.__contains__
        if fits("test"):
            return "test"
        return "val" if not self._held_out and fits("val") else None

    def _has_labels(self, split: str) -> bool:
        """Whether a split is there and any of its images has a label."""
        if split not in self:
            return False
        labels = known_labels(self._sources[split]) if split in self._sources else None
        return is_labelled(self[split]) if labels is None else any_label(labels)

    def paths(self, split: str, index: Tensor) -> list[str] | None:
        """See `sslkit.data.ImageDataModule.paths`."""
        folder = self._folders.get("train" if split == "train_and_held_out" else split)
        return None if folder is None else [folder.path(row) for row in index.tolist()]

    def sizes(self) -> dict[str, int]:
        """Number of images by split; in a split not opened yet, unreadable ones count too."""
        sizes = {split: length(source) for split, source in self._sources.items()}
        sizes |= {split: len(store) for split, store in self._stores.items()}
        return {split: sizes[split] for split in ("train", "val", "test") if split in sizes}

    def _read(
        self, source: Dataset, count: int, label_map: LabelMap, *, keep: bool = True
    ) -> Images:
        """The first ``count`` images of a source: in memory if they fit and may, else streamed."""
        channels, height, width = self.wanted.shape
        size = count * channels * height * width
        if keep and size <= self._bytes_left:
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
        return any_label(store.labels)
    label = _first_label(store)
    return label is not None and (label.ndim == 2 or int(label[0]) >= 0)


def set_width(store: Images) -> int | None:
    """K where labels are sets ``(n, K)``; where only reading tells, the first readable one does."""
    label = _first_label(store) if store.labels is None else store.labels
    return label.shape[1] if label is not None and label.ndim == 2 else None


def _first_label(store: Images) -> Tensor | None:
    """``(1,)`` or ``(1, K)`` of the first readable image."""
    for position in range(min(MOST_UNREADABLE, len(store))):
        batch = store.__getitems__([position]).batch
        if batch is not None:
            return batch.label
    return None


def _few_labels(store: Images, fraction: float, seed: int) -> Images:
    """A class-balanced part of labelled images, see `sslkit.data.subsets.label_fraction`.

    Raises:
        ValueError: If their labels are not known, or there are none.
    """
    if store.labels is None:
        raise ValueError(
            f"`label_fraction` is {fraction}, and the labels of these images are known only by "
            "reading each: give the data set an attribute `targets`, or raise `resident_gb` so "
            "that all images are read once and kept."
        )
    return store.subset(label_fraction(store.labels, fraction, seed=seed))
