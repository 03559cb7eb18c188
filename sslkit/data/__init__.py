"""Images as uint8, from folders, arrays and data sets to batches."""

from sslkit.data.arrays import ImageArrays
from sslkit.data.batch import Batch, ViewBatch, as_batch
from sslkit.data.folder import ImageFolder
from sslkit.data.module import ImageDataModule

__all__ = [
    "Batch",
    "ImageArrays",
    "ImageDataModule",
    "ImageFolder",
    "ViewBatch",
    "as_batch",
]
