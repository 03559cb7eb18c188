"""Features that are extracted once: from disk if they are there, else by all ranks together.

N images, B in a batch, F feature width, W ranks.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit.data.fingerprint import images_in_order
from sslkit.data.loader import ImageLoader, open_loader
from sslkit.distributed import on_every_rank, rank, world_size
from sslkit.evaluation.feature_entry import EntryWriter, read_entry
from sslkit.evaluation.feature_key import feature_key, key_name
from sslkit.evaluation.features import Extractor, Features, encode, frozen


def cached_features(
    encoder: Extractor,
    loader: Iterable[Any],
    *,
    folder: Path | str,
    device: torch.device | str = "cpu",
) -> Features:
    """The features of every image of a loader: from a cache, or extracted into it.

    What is found is of exactly this encoder and these images: an entry of the cache is a folder
    named by a hash of the encoder's specification and weights, the images and labels
    (`sslkit.data.fingerprint`), the kind of device, and the versions of the libraries that features
    depend on. Entries appear whole or not at all and never change, so processes may share the
    cache; of two that extract the same at once, the first to finish counts. To be rid of an entry,
    delete its folder.

    With several ranks, all of which must call this and see the folder, each encodes every W-th
    batch and the first rank writes them in order. The result is that of one process.

    Args:
        encoder: Moved to ``device`` and left there if there is something to extract; every
            module's training flag is put back.
        loader: See `sslkit.data.fingerprint`. It must yield the same images again.
        folder: Of the cache; made where it is missing.
        device: Where the encoder runs.

    Returns:
        Features, labels and positions, mapped from the files: of those larger than memory, parts
        can be read.

    Raises:
        OSError: If the folder cannot be written.
        RuntimeError: On a rank where all was well, if it was not on another.
        TypeError: If the loader can be read only once, or yields ready-made views.
        ValueError: If the loader yields nothing, or an entry is damaged; nothing is overwritten.
    """
    folder = Path(folder)

    def look_up() -> tuple[dict[str, Any], bool] | None:
        if rank() > 0:
            return None
        key = feature_key(encoder, loader, device)
        return key, (folder / key_name(key)).exists()

    found = on_every_rank(look_up)[0]
    assert found is not None  # the first rank has looked
    key, there = found
    entry = folder / key_name(key)
    if not there:
        _extract(encoder, loader, device, EntryWriter(entry, key))
    return read_entry(entry)


def _extract(
    encoder: Extractor, loader: Iterable[Any], device: torch.device | str, writer: EntryWriter
) -> None:
    """Encode this rank's batches in step with the others; the first rank writes all of them."""
    first = rank() == 0
    batches = iter(_own_batches(loader))
    waiting: list[list[np.ndarray]] = []

    def step() -> list[np.ndarray] | None:
        """Write the batches of the last step, encode the next one, if there is one."""
        for parts in waiting if first else []:
            writer.append(parts)
        item = next(batches, None)
        return None if item is None else [part.numpy() for part in encode(encoder, item, device)]

    try:
        with frozen(encoder, device):
            while found := [parts for parts in on_every_rank(step) if parts is not None]:
                waiting = found
        on_every_rank(writer.finish if first else lambda: None)
    finally:
        if first:
            writer.drop()


def _own_batches(loader: Iterable[Any]) -> Iterable[Any]:
    """Every W-th batch, from this rank's on; those of the others are not read, if that can be."""
    if world_size() == 1:
        return loader
    store = images_in_order(loader)
    if store is None or not isinstance(loader, ImageLoader):
        return itertools.islice(loader, rank(), None, world_size())
    size = loader.batch_size or 1
    own = torch.arange(len(store)).split(size)[rank() :: world_size()]
    if not own:
        return []
    share = store.subset(torch.cat(own))
    return open_loader(share, batch_size=size, workers=loader.num_workers, persistent=False)
