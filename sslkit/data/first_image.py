"""The shape of all images of a run: what the user gave, and for the rest the first image's."""

from typing import Literal

from torch.utils.data import Dataset

from sslkit.data.decode import ImageFormat, to_uint8
from sslkit.data.errors import UnreadableImageError
from sslkit.data.resident import unreadable
from sslkit.data.source import fetch, item_name, length

# So many unreadable images in a row, from the start, are no stray accidents.
MOST_UNREADABLE = 1000


def find_format(
    source: Dataset,
    *,
    image_size: int | None,
    channels: int | None,
    on_bad_image: Literal["error", "skip"],
) -> ImageFormat:
    """From what was given and, for the rest, from the first readable image.

    Args:
        source: The training images.
        image_size: Pixels a side, or None.
        channels: Their number, or None.
        on_bad_image: Whether the first unreadable image is an error or passed over.

    Raises:
        UnreadableImageError: If an image cannot be read and may not be skipped, or too many.
        DataError: If the first image cannot be used.
    """
    for position in range(min(MOST_UNREADABLE, length(source))):
        try:
            raw, _ = fetch(source, position)
            name = item_name(source, position)
            image = to_uint8(raw, name)
        except UnreadableImageError as error:
            if on_bad_image == "error":
                raise unreadable(str(error)) from error
            continue
        return ImageFormat(
            channels=channels or image.shape[0],
            height=image_size or image.shape[1],
            width=image_size or image.shape[2],
            resize=image_size is not None,
            convert=channels is not None,
            reference=name,
        )
    raise UnreadableImageError(
        f"None of the first {min(MOST_UNREADABLE, length(source))} training images can be read, "
        f"from {item_name(source, 0)} on."
    )
