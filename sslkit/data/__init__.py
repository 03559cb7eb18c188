"""Images as uint8, from folders, arrays and data sets to batches."""

from sslkit.data.arrays import ImageArrays
from sslkit.data.batch import Batch, CropBatch, ViewBatch, as_batch
from sslkit.data.folder import ImageFolder
from sslkit.data.module import ImageDataModule
from sslkit.data.shards import TarShards

__all__ = [
    "Batch",
    "CropBatch",
    "ImageArrays",
    "ImageDataModule",
    "ImageFolder",
    "TarShards",
    "ViewBatch",
    "as_batch",
]
