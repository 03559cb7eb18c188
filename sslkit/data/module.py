"""The data of a run as a LightningDataModule: one path or data set in, uint8 batches out."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.library import Images, Library, is_labelled, set_width
from sslkit.data.loader import ImageLoader, open_loader
from sslkit.data.options import LibraryOptions, check_at_least
from sslkit.data.resident import available_cpus
from sslkit.data.splits import open_splits
from sslkit.data.statistics import split_statistics
from sslkit.data.training import Training
from sslkit.data.view_crops import Crop
from sslkit.seeding import global_seed


class ImageDataModule(pl.LightningDataModule):
    """Images for pretraining, with labels where there are any.

    Small data stays in memory as one uint8 tensor and batches are gathered from it in bulk, without
    worker processes; larger data is read again each epoch by workers that decode and resize only.
    Both give the same batches in the same order. Views are made later, on the device.

    After ``setup``: ``mean`` and ``std`` are lists of C numbers on the scale 0 to 1 and
    ``channels`` is C. ``labelled`` says whether the training images have labels of a known number
    of classes; if so, ``num_classes`` is K, and ``classes`` their names, or None where they have
    none. Indices of classes always follow the training split's list. ``label_sets`` says whether
    training images may have several classes; then labels are ``(N, K)`` bool.

    ``description`` is what a report calls the source: a path, a word, or the data set's class.

    Args:
        source: The word ``quickstart`` (embedded images); a ``.npz`` file (see
            `sslkit.data.ImageArrays` for its keys); ``.tar`` shards by a pattern with braces (see
            `sslkit.data.TarShards`); a folder, either with ``train/`` and optionally
            ``val/`` (or ``valid/``, ``validation/``) and ``test/`` inside or itself the training
            images (see `sslkit.data.ImageFolder` for its layout); or a map-style data set whose
            items are an image or (image, label), such as those of torchvision.
        val_source: Validation data in place of what ``source`` has.
        test_source: Test data in place of what ``source`` has.
        val_fraction: Part of the labelled training images to hold out for validation where there is
            no validation split, in [0, 1); of every class that has two images at least one. Fixed
            by the seed.
        label_fraction: Train on a share of the labelled images, in (0, 1]: as many of every class,
            fixed by the seed, for the 1 % and 10 % protocols. What is held out for validation is
            not touched, and frozen features are evaluated with all labels.
        batch_size: Images in a batch, per rank.
        image_size: Pixels a side. Other images are resized by their shorter side (antialiased) and
            cropped at the centre. None keeps the images, which must then all have one size.
        channels: Number of channels, C. 3 repeats greyscale, 1 takes the luma of RGB. None keeps
            what the images have, which must then all be the same.
        limit: Use the first so many training images only, counted before any are held out. (A
            folder is sorted by class: there, the first images lack the last classes.)
        workers: Worker processes for data that does not fit in memory; None is one per core, at
            most 8. Resident data uses none.
        resident_gb: GiB of decoded images that may stay in memory, over all splits, in each rank.
            A source is let go when its images are in memory, so that they are not there twice.
        on_bad_image: What to do about an unreadable, truncated or oversized image: ``error`` names
            it and stops; ``skip`` leaves it out, counts and reports. Of streamed training images,
            one that is skipped is replaced by another, so that batches keep their size.
        crop: ``device`` brings every image to one size and makes all of a view on the device.
            ``worker``, for large images of many sizes: workers cut each view, at its own size, out
            of the full image as they decode it. Training images are then not kept in memory, and
            ``image_size`` is for what is evaluated only.
        mean: Per channel, on the scale 0 to 1; None computes it over the training images, or over a
            fixed sample of 2,048 of them if they are streamed.
        std: Per channel, on the scale 0 to 1; None computes it as the mean.
        seed: Of the shuffle, the hold-out and the labelled share; None shuffles by the run's global
            seed and takes the same images in every run.

    Raises:
        ValueError: If an argument is out of its range.
    """

    mean: list[float]
    std: list[float]
    channels: int

    def __init__(
        self,
        source: str | Dataset,
        *,
        val_source: str | Dataset | None = None,
        test_source: str | Dataset | None = None,
        val_fraction: float = 0.0,
        label_fraction: float = 1.0,
        batch_size: int = 256,
        image_size: int | None = None,
        channels: int | None = None,
        limit: int | None = None,
        workers: int | None = None,
        resident_gb: float = 2.0,
        on_bad_image: Literal["error", "skip"] = "error",
        crop: Literal["device", "worker"] = "device",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, batch_size=batch_size)
        check_at_least(0, workers=workers, resident_gb=resident_gb)
        if std is not None and min(std, default=1) <= 0:
            raise ValueError(f"`std` is {std}; every number must be above 0.")
        self._open_splits = partial(
            open_splits, source, val_source=val_source, test_source=test_source
        )
        self.description = str(source) if isinstance(source, str | Path) else type(source).__name__
        self._options = LibraryOptions(
            val_fraction=val_fraction,
            label_fraction=label_fraction,
            image_size=image_size,
            channels=channels,
            limit=limit,
            resident_bytes=resident_gb * 2**30,
            on_bad_image=on_bad_image,
            crop=crop,
        )
        self._statistics = {"mean": mean, "std": std}
        self._workers = min(8, available_cpus()) if workers is None else workers
        self.seed = seed
        self._library: Library | None = None
        self._told_no_validation = False
        self._training = Training(crop, self._workers)
        self.crop = crop
        self.batch_size = batch_size
        self.num_classes: int | None = None
        self.classes: list[str] | None = None
        self.labelled = False
        self.label_sets = False

    def setup(self, stage: str | None = None) -> None:
        """Open the training data (and validation data, for ``fit``); a second call does nothing.

        Args:
            stage: Lightning's name of what is about to run; test data waits until it is asked for.

        Raises:
            FileNotFoundError: If a path does not exist.
            TypeError: If a source is neither a path nor a map-style data set.
            ValueError: If the data cannot be used; the message names the file or split.
        """
        library = self._open()
        if stage in (None, "fit", "validate") and self.labelled and "val" in library:
            library["val"]

    def take_crops(self, crops: Sequence[Crop]) -> None:
        """Be told what workers cut out for each view, where they do; before training.

        Args:
            crops: The `sslkit.views.RandomResizedCrop` of each view, or what draws like one.
        """
        self._training.crops = tuple(crops)

    def splits(self) -> dict[str, int]:
        """Number of images of each split that is there."""
        return self._open().sizes()

    def train_dataloader(self) -> ImageLoader:
        """Shuffled batches of this rank's share, the last incomplete one left out.

        Raises:
            ValueError: If there are too few images for one batch, or workers are to crop and what
                is not known.
        """
        seed = global_seed() if self.seed is None else self.seed
        return self._training.loader(self._open()["train"], self.batch_size, seed)

    def state_dict(self) -> dict[str, Any]:
        """Where the training loader is; Lightning keeps it in the checkpoint."""
        return self._training.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next training loader go on where `state_dict` was called.

        Lightning restores loaders itself, but not those that were made while the optimiser was
        configured, which a schedule over the run's true number of steps does.
        """
        self._training.load_state_dict(state_dict)

    def val_dataloader(self) -> ImageLoader | list[ImageLoader]:
        """The validation images in order; an empty list if there are none with labels."""
        library = self._open()
        if self.labelled and "val" in library and is_labelled(library["val"]):
            return self._loader(library["val"], persistent=True)
        if not self._told_no_validation:
            rank_zero_info(
                "There are no labelled validation images: online validation is off, pretraining "
                "goes on. (`val_source` or `val_fraction` would give some, if there are labels.)"
            )
        self._told_no_validation = True
        return []

    def evaluation_split(self, *, labelled: bool = True) -> Literal["test", "val"] | None:
        """The split to score frozen features on: images that no training has seen, with labels.

        Args:
            labelled: Whether it needs labels; False: they come from elsewhere.

        Returns:
            ``test`` if there is one with labels; else ``val``, if it is a split of its own with
            labels (as in ImageNet's layout) and not held out from the training images; None if
            there is neither, or the training images have no labels to compare with.
        """
        return self._open().evaluation_split(labelled=labelled)

    def eval_dataloader(
        self,
        split: Literal["train", "train_and_held_out", "val", "test"],
        limit: int | None = None,
    ) -> ImageLoader:
        """All images of a split in order, none left out, on this process.

        Args:
            split: ``train`` (what is trained on), ``train_and_held_out`` (that and what
                ``val_fraction`` holds out of it: all labels there are to evaluate with; without a
                hold-out the same as ``train``), ``val`` or ``test``.
            limit: At most so many images, drawn at random once and for all: every call and every
                run reads the same ones.

        Raises:
            ValueError: If the split is not there.
        """
        return self._loader(self._open().to_evaluate(split, limit), persistent=False)

    def paths(self, split: str, index: Tensor) -> list[str] | None:
        """The files of images, where a split is a folder of them.

        Args:
            split: As for `eval_dataloader`.
            index: ``(n,)`` int64 positions, as a `Batch` has them.

        Returns:
            n paths below the folder that was given; None for other kinds of data.
        """
        return self._open().paths(split, index)

    def _open(self) -> Library:
        """The images; at the first call, opened, and what follows from them set."""
        if self._library is None:
            library = Library(self._open_splits(), self._options, self.seed or 0)
            self.channels = library.wanted.channels
            self.classes, self.num_classes = library.classes, library.num_classes
            self.labelled = library.num_classes is not None
            self.label_sets = self.labelled and set_width(library["train"]) is not None
            self.mean, self.std = split_statistics(
                library["train"],
                **self._statistics,
                channels=self.channels,
                batch_size=self.batch_size,
                workers=self._workers,
            )
            self._library = library
            del self._open_splits  # the library lets go of what it has read; so must this
        return self._library

    def _loader(self, store: Images, *, persistent: bool) -> ImageLoader:
        return open_loader(
            store, batch_size=self.batch_size, workers=self._workers, persistent=persistent
        )
