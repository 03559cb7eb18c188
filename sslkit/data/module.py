"""The data of a run as a LightningDataModule: one path or data set in, uint8 batches out."""

from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import Dataset

from sslkit.data.library import Images, Library, LibraryOptions, is_labelled
from sslkit.data.loader import ImageLoader, open_loader
from sslkit.data.resident import available_cpus
from sslkit.data.sampler import EpochSampler
from sslkit.data.splits import open_splits
from sslkit.data.statistics import split_statistics
from sslkit.data.stream import StreamedImages
from sslkit.distributed import rank, world_size
from sslkit.seeding import global_seed


class ImageDataModule(pl.LightningDataModule):
    """Images for pretraining, with labels where there are any.

    Small data stays in memory as one uint8 tensor and batches are gathered from it in bulk, without
    worker processes; larger data is read again each epoch by workers that decode and resize only.
    Both give the same batches in the same order. Views are made later, on the device.

    After ``setup``: ``mean`` and ``std`` are lists of C numbers on the scale 0 to 1 and
    ``channels`` is C. ``labelled`` says whether the training images have labels of a known number
    of classes; if so, ``num_classes`` is K, and ``classes`` their names, or None where they have
    none. Indices of classes always follow the training split's list.

    ``description`` is what a report calls the source: a path, a word, or the data set's class.

    Args:
        source: The word ``quickstart`` (embedded images); a ``.npz`` file (see
            `sslkit.data.ImageArrays` for its keys); a folder, either with ``train/`` and optionally
            ``val/`` (or ``valid/``, ``validation/``) and ``test/`` inside or itself the training
            images (see `sslkit.data.ImageFolder` for its layout); or a map-style data set whose
            items are an image or (image, label), such as those of torchvision.
        val_source: Validation data in place of what ``source`` has.
        test_source: Test data in place of what ``source`` has.
        val_fraction: Part of the labelled training images to hold out for validation where there is
            no validation split, in [0, 1); of every class that has two images at least one. Fixed
            by the seed.
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
        mean: Per channel, on the scale 0 to 1; None computes it over the training images, or over a
            fixed sample of 2,048 of them if they are streamed.
        std: Per channel, on the scale 0 to 1; None computes it as the mean.
        seed: Of the shuffle and the hold-out; None shuffles by the run's global seed and holds out
            the same images in every run.

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
        batch_size: int = 256,
        image_size: int | None = None,
        channels: int | None = None,
        limit: int | None = None,
        workers: int | None = None,
        resident_gb: float = 2.0,
        on_bad_image: Literal["error", "skip"] = "error",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        for name, value, lowest in (
            ("batch_size", batch_size, 1),
            ("workers", workers, 0),
            ("resident_gb", resident_gb, 0),
        ):
            if value is not None and value < lowest:
                raise ValueError(f"`{name}` is {value}; it must be at least {lowest}.")
        if std is not None and min(std, default=1) <= 0:
            raise ValueError(f"`std` is {std}; every number must be above 0.")
        self._given: dict[str, Any] = {
            "source": source,
            "val_source": val_source,
            "test_source": test_source,
        }
        self.description = str(source) if isinstance(source, str | Path) else type(source).__name__
        self._options = LibraryOptions(
            val_fraction=val_fraction,
            image_size=image_size,
            channels=channels,
            limit=limit,
            resident_bytes=resident_gb * 2**30,
            on_bad_image=on_bad_image,
        )
        self._statistics = {"mean": mean, "std": std}
        self._workers = min(8, available_cpus()) if workers is None else workers
        self._seed = seed
        self._library: Library | None = None
        self._told_no_validation = False
        self._train_loader: ImageLoader | None = None
        self._position: dict[str, int] | None = None
        self.batch_size = batch_size
        self.num_classes: int | None = None
        self.classes: list[str] | None = None
        self.labelled = False

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

    def splits(self) -> dict[str, int]:
        """Number of images of each split that is there."""
        return self._open().sizes()

    def train_dataloader(self) -> ImageLoader:
        """Shuffled batches of this rank's share, the last incomplete one left out.

        Raises:
            ValueError: If there are too few images for one batch.
        """
        store = self._open()["train"]
        share = len(store) // world_size()
        if share < self.batch_size:
            ranks = f" on each of {world_size()} ranks" if world_size() > 1 else ""
            raise ValueError(
                f"`batch_size` is {self.batch_size}, but there are only {share} training images"
                f"{ranks}, so not one whole batch (incomplete ones are left out in training). Set "
                f"`batch_size` to {max(share, 1)} or less, or give more images."
            )
        sampler = EpochSampler(
            len(store),
            rank=rank(),
            world_size=world_size(),
            seed=global_seed() if self._seed is None else self._seed,
        )
        if isinstance(store, StreamedImages):
            store = store.replacing()
        loader = self._loader(store, persistent=True, sampler=sampler, drop_last=True)
        if self._position is not None:
            loader.load_state_dict(self._position)
            self._position = None
        self._train_loader = loader
        return loader

    def state_dict(self) -> dict[str, Any]:
        """Where the training loader is; Lightning keeps it in the checkpoint."""
        return {} if self._train_loader is None else {"train": self._train_loader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next training loader go on where `state_dict` was called.

        Lightning restores loaders itself, but not those that were made while the optimiser was
        configured, which a schedule over the run's true number of steps does.
        """
        self._position = state_dict.get("train")

    def val_dataloader(self) -> ImageLoader | list[ImageLoader]:
        """The validation images in order; an empty list if there are none with labels."""
        library = self._open()
        if self.labelled and "val" in library and is_labelled(library["val"]):
            return self._loader(library["val"], persistent=True)
        if not self._told_no_validation:
            self._told_no_validation = True
            rank_zero_info(
                "There are no labelled validation images: online validation is off, pretraining "
                "goes on. (`val_source` or `val_fraction` would give some, if there are labels.)"
            )
        return []

    def evaluation_split(self) -> Literal["test", "val"] | None:
        """The split to score frozen features on: images that no training has seen, with labels.

        Returns:
            ``test`` if there is one with labels; else ``val``, if it is a split of its own with
            labels (as in ImageNet's layout) and not held out from the training images; None if
            there is neither, or the training images have no labels to compare with.
        """
        return self._open().evaluation_split()

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
            library = Library(open_splits(**self._given), self._options, self._seed or 0)
            self.channels = library.wanted.channels
            self.classes, self.num_classes = library.classes, library.num_classes
            self.labelled = library.num_classes is not None
            self.mean, self.std = split_statistics(
                library["train"],
                **self._statistics,
                channels=self.channels,
                batch_size=self.batch_size,
                workers=self._workers,
            )
            self._library = library
            self._given = {}  # the library lets go of what it has read; so must this
        return self._library

    def _loader(self, store: Images, *, persistent: bool, **options: Any) -> ImageLoader:
        return open_loader(
            store,
            batch_size=self.batch_size,
            workers=self._workers,
            persistent=persistent,
            **options,
        )
