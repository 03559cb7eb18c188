"""How images are read, as the user said it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LibraryOptions:
    """What `sslkit.data.ImageDataModule` was told about reading images; see there.

    Raises:
        ValueError: If a value is out of its range.
    """

    val_fraction: float
    label_fraction: float = 1.0
    image_size: int | None
    channels: int | None
    limit: int | None
    resident_bytes: float
    on_bad_image: Literal["error", "skip"]
    crop: Literal["device", "worker"] = "device"

    def __post_init__(self) -> None:
        check_at_least(1, image_size=self.image_size, channels=self.channels, limit=self.limit)
        if not 0 <= self.val_fraction < 1:
            raise ValueError(f"`val_fraction` is {self.val_fraction}; it must be in [0, 1).")
        if not 0 < self.label_fraction <= 1:
            raise ValueError(f"`label_fraction` is {self.label_fraction}; it must be in (0, 1].")
        if self.on_bad_image not in ("error", "skip"):
            raise ValueError(f"`on_bad_image` is {self.on_bad_image!r}; it must be error or skip.")
        if self.crop not in ("device", "worker"):
            raise ValueError(f"`crop` is {self.crop!r}; it must be device or worker.")


def check_at_least(lowest: int, **values: float | None) -> None:
    """Refuse numbers below a limit; None passes.

    Raises:
        ValueError: Names the argument and its value.
    """
    for name, value in values.items():
        if value is not None and value < lowest:
            raise ValueError(f"`{name}` is {value}; it must be at least {lowest}.")
