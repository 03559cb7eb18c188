"""From what the user names to training, validation and test sources."""

from pathlib import Path

from torch.utils.data import Dataset

from sslkit.data.arrays import array_splits
from sslkit.data.embedded import quickstart_splits
from sslkit.data.folder import ImageFolder, holds_images
from sslkit.data.source import check_source

_FOLDERS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


def open_splits(
    source: str | Dataset,
    *,
    val_source: str | Dataset | None = None,
    test_source: str | Dataset | None = None,
) -> dict[str, Dataset]:
    """Open what a user names.

    Args:
        source: ``quickstart``; a ``.npz`` file; a folder, with ``train/`` and optionally ``val/``
            (or ``validation/``) and ``test/`` inside, or itself the training images; or a data
            set, which is the training split.
        val_source: The same for validation, in place of what ``source`` has. A path counts as a
            whole: its ``val`` split if it has one, else the images that it holds.
        test_source: The same for test.

    Returns:
        ``train``, and those of ``val`` and ``test`` that are there.

    Raises:
        FileNotFoundError: If a path does not exist.
        TypeError: If a source is neither a path nor a map-style data set.
        ValueError: If a path holds no images or no such split.
    """
    splits = _open(source, "source")
    if "train" not in splits:
        raise ValueError(
            f"`source` is {source!r}, which has {_listed(splits)} images but no training images."
        )
    for split, given in (("val", val_source), ("test", test_source)):
        if given is None:
            continue
        found = _open(given, f"{split}_source")
        # A bare folder or an array file with x and y alone opens as "train": it has no other.
        if split not in found and list(found) == ["train"]:
            found = {split: found["train"]}
        if split not in found:
            raise ValueError(
                f"`{split}_source` is {given!r}, which has {_listed(found)} images but no {split} "
                "images. Name the one folder or file that holds them."
            )
        splits[split] = found[split]
    return splits


def _open(source: str | Dataset, argument: str) -> dict[str, Dataset]:
    if not isinstance(source, str | Path):
        check_source(source, argument)
        return {"train": source}
    if source == "quickstart":
        return dict(quickstart_splits())
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"`{argument}` is {str(source)!r}, but {path.absolute()} does not exist. Give a folder "
            "of images, a .npz file, or the word quickstart for the embedded images."
        )
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() == ".npz":
        return dict(array_splits(path))
    raise ValueError(
        f"`{argument}` is {str(source)!r}, a file that is not .npz. Give a folder of images, or "
        "arrays saved with numpy.savez; unpack an archive first."
    )


def _open_folder(root: Path) -> dict[str, Dataset]:
    """The splits of a folder, or all of it as training images.

    ``train`` can be the name of a class as well. It is read as a split if another split stands
    beside it, or no other folder with images does.
    """
    names = {entry.name for entry in root.iterdir() if entry.is_dir()}
    named = {name for name in _FOLDERS if name in names}
    others = [n for n in sorted(names - named) if n[0] != "." and holds_images(root / n)]
    if not named or (others and len(named) == 1):
        return {"train": ImageFolder(root)}
    if {"val", "validation"} <= named:
        raise ValueError(f"{root} has both val/ and validation/. Keep one of them.")
    return {_FOLDERS[name]: ImageFolder(root / name) for name in _FOLDERS if name in named}


def _listed(splits: dict[str, Dataset]) -> str:
    return " and ".join(splits)
