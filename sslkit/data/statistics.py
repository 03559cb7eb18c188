"""Mean and standard deviation of the training images, for normalisation."""

from collections.abc import Iterable

import torch
from torch import Tensor

_FLOOR = 1e-3


def channel_statistics(images: Iterable[Tensor]) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation over all pixels, exact whatever the batches.

    Args:
        images: uint8 tensors ``(b, C, H, W)``, one after another.

    Returns:
        mean and std, C numbers each, on the scale 0 to 1; std is at least 1e-3, so that a channel
        that never varies can still be divided by it.

    Raises:
        ValueError: If there are no images.
    """
    counts = None
    for batch in images:
        channels = batch.shape[1]
        # Whole counts of the 256 values do not depend on the order of summation.
        batch_counts = torch.stack(
            [torch.bincount(batch[:, c].flatten(), minlength=256) for c in range(channels)]
        )
        counts = batch_counts if counts is None else counts + batch_counts
    if counts is None:
        raise ValueError("There are no images to take mean and std of.")
    share = counts.double() / counts.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    variance = (share * (values - mean[:, None]).square()).sum(dim=1)
    return mean.tolist(), variance.sqrt().clamp(min=_FLOOR).tolist()
