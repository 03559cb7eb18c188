"""From what the user names to training, validation and test sources."""

import os
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import Dataset

from sslkit.data.arrays import array_splits
from sslkit.data.embedded import quickstart_splits
from sslkit.data.folder import ImageFolder, holds_images, list_folder
from sslkit.data.label_table import FILE
from sslkit.data.shard_names import names_shards
from sslkit.data.shards import TarShards
from sslkit.data.source import check_source

# What a folder may be called, whatever the case of its letters, and the split that it then is.
_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def open_splits(
    source: str | Dataset,
    *,
    val_source: str | Dataset | None = None,
    test_source: str | Dataset | None = None,
) -> dict[str, Dataset]:
    """Open what a user names.

    Args:
        source: ``quickstart``; a ``.npz`` file; ``.tar`` shards; a folder, with ``train/`` (or
            ``training/``) and optionally ``val/`` (or ``valid/``, ``validation/``) and ``test/``
            (or ``testing/``) inside, or itself the training images; or a data set, which is the
            training split.
        val_source: The same for validation, in place of what ``source`` has. A path counts as a
            whole: its ``val`` split if it has one, else the images that it holds.
        test_source: The same for test.

    Returns:
        ``train``, and those of ``val`` and ``test`` that are there.

    Raises:
        FileNotFoundError: If a path does not exist.
        TypeError: If a source is neither a path nor a map-style data set.
        ValueError: If a path holds no images or no such split, or has folders of which it is not
            clear whether they are splits or classes.
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
    if names_shards(str(source)) and not os.path.isdir(source):
        return {"train": TarShards(str(source))}
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"`{argument}` is {str(source)!r}, but {path.absolute()} does not exist. Give a folder "
            "of images, a .npz file, .tar shards, or the word quickstart for the embedded images."
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
    beside it, or no other folder with images does. One that has folders of images inside looks
    like a split, whatever stands beside it, so then the user has to say.
    """
    folders, files = list_folder(str(root))
    names = [os.path.basename(folder) for folder in folders]
    named: dict[str, str] = {}
    for name in names:
        split = _FOLDERS.get(name.lower())
        if split in named:
            raise ValueError(f"{root} has both {named[split]}/ and {name}/. Keep one of them.")
        if split is not None:
            named[split] = name
    others = [n for n in names if n not in named.values() and holds_images(str(root / n))]
    if others and len(named) == 1:
        (name,) = named.values()
        if any(holds_images(inner) for inner in list_folder(str(root / name))[0]):
            raise ValueError(
                f"{root} has the folder {name}/, which has folders of images inside like a split, "
                f"beside {_some(others)}, which are no splits: it is not clear whether {name}/ is "
                f"a split or a class. If it is a split, name it: {root / name} (and the others as "
                "`val_source` and `test_source`), or call the others train/, val/ and test/. If "
                "it is a class, give it another name."
            )
    if not named or (others and len(named) == 1):
        return {"train": ImageFolder(root)}
    order = [split for split in ("train", "val", "test") if split in named]
    if others or files:
        where = f"in {_some(others)}" if others else f"directly inside ({len(files)})"
        rank_zero_warn(
            f"{root} holds images {where} as well, which are no split and are not read: only "
            f"{_some([named[split] for split in order])} are. Name a folder as `source`, "
            "`val_source` or `test_source` to use it."
        )
    if (root / FILE).is_file():
        rank_zero_warn(
            f"{root / FILE} is not read, as {_some([named[split] for split in order])} are splits: "
            "put a table into each of them, with paths below it."
        )
    return {split: ImageFolder(root / named[split]) for split in order}


def _some(folders: list[str]) -> str:
    """A few folders' names, for a message."""
    more = f" and {len(folders) - 5} more" if len(folders) > 5 else ""
    return ", ".join(f"{name}/" for name in folders[:5]) + more


def _listed(splits: dict[str, Dataset]) -> str:
    return " and ".join(splits)
