"""A streamed split in training, each view cut out of the image as it is decoded.

n images in this split, B in a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch.utils.data import Dataset

from sslkit.data.batch import CropBatch
from sslkit.data.fetched import Fetched
from sslkit.data.sampler import Numbered
from sslkit.data.stream import StreamedImages
from sslkit.data.view_crops import ViewCrops


@dataclass(frozen=True, eq=False)
class CroppedImages(Dataset):
    """Views of images, read when they are asked for.

    Attributes:
        images: What is read.
        crops: What is cut out of each.
    """

    images: StreamedImages
    crops: ViewCrops

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, asked: Sequence[Numbered]) -> Fetched[CropBatch]:
        """The views of B images at once, all asked for in one order."""
        return self.images.collect(
            [position for _, position in asked],
            self.crops.shapes,
            partial(self.crops.cut, order=asked[0].order),
            CropBatch,
        )
