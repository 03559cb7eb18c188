"""Whether the images of a run are such as an encoder takes."""

from typing import Any

from sslkit.nn import Encoder


def check_channels(encoder: Encoder, data: Any) -> None:
    """Refuse data of another number of channels.

    Args:
        encoder: What is to see the images.
        data: The run's data module, or what has no ``channels`` to compare.

    Raises:
        ValueError: If they differ.
    """
    channels = getattr(data, "channels", None)
    if channels is not None and channels != encoder.in_channels:
        raise ValueError(
            f"the data has {channels} channel(s) and the encoder takes {encoder.in_channels}: set "
            f"the data's channels={encoder.in_channels} to convert the images, or the encoder's "
            f"in_channels={channels}."
        )
