"""What a store hands to the loader for one batch: the images, and what went wrong."""

from typing import Generic, NamedTuple, TypeVar

from sslkit.data.batch import Batch, CropBatch

T = TypeVar("T", Batch, CropBatch)


class Fetched(NamedTuple, Generic[T]):
    """One batch on its way from a store, maybe in a worker process, to the training process.

    Errors travel as values: raised inside a worker they would reach the user as a worker's
    traceback instead of one sentence.

    Attributes:
        batch: The readable images, or None if there are none.
        unreadable: One message for each image that was left out.
        error: What the training process is to raise, or None.
    """

    batch: T | None
    unreadable: list[str]
    error: Exception | None


def as_fetched(fetched: Fetched) -> Fetched:
    """The collate function: stores return whole batches already."""
    return fetched
