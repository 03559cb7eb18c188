"""A source some of whose items lie ready, because they were read before they were asked for."""

from typing import Any

from torch.utils.data import Dataset

from sslkit.data.pil_images import open_image
from sslkit.data.shard_samples import Sample
from sslkit.data.shards import TarShards


class ReadAhead(Dataset):
    """Tar shards with samples that a stream has brought; others are looked up in their shard.

    Attributes:
        ready: Samples by their position.

    Args:
        source: The shards.
    """

    def __init__(self, source: TarShards) -> None:
        self.source = source
        self.ready: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, position: int) -> tuple[Any, Any]:
        """The image, opened but not decoded yet, and its label or None."""
        sample = self.ready.get(position)
        return self.source[position] if sample is None else (open_image(sample.image), sample.label)

    def item_name(self, position: int) -> str:
        """What messages call an image: its member and its shard."""
        sample = self.ready.get(position)
        return self.source.item_name(position) if sample is None else sample.name
