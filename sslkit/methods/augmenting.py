"""From what a loader yields to the views that a method learns from, on the device.

B images, V views.
"""

from typing import Any, Protocol

from sslkit.data import Batch, CropBatch, ViewBatch, as_batch
from sslkit.distributed import rank
from sslkit.methods.worker_crops import AfterCrop
from sslkit.seeding import counter_generator, global_seed
from sslkit.views import Views


class Augmenting(Protocol):
    """A method that makes its own views.

    Attributes:
        views: Makes V views of B images.
        after_crop: Makes them of what workers cropped; None where they do not.
        batches_drawn: Training batches so far, which names the draws of the next one.
    """

    views: Views
    after_crop: AfterCrop | None
    batches_drawn: int


def augmented(method: Augmenting, batch: Any, *, training: bool) -> Batch | ViewBatch:
    """A training batch as views; other batches, and views that come ready-made, as they are.

    Args:
        method: Whose views they are.
        batch: As a loader yields it, on the device.
        training: Whether it is one.
    """
    generator = counter_generator(global_seed(), rank(), method.batches_drawn)
    if isinstance(batch, CropBatch) and method.after_crop is not None:
        return ViewBatch(method.after_crop(batch.crops, generator), batch.label, batch.index)
    batch = as_batch(batch)
    if isinstance(batch, ViewBatch) or not training:
        return batch
    return ViewBatch(method.views(batch.image, generator), batch.label, batch.index)
