"""From an address to a file, by what knows its kind; the libraries are imported for theirs only."""

import importlib
from pathlib import Path

from sslkit.recipe.address import Address


def fetch(address: Address, folder: Path) -> Path:
    """Download what an address names; see `from_url`, `from_hub` and `from_wandb` beside this.

    Args:
        address: Of another kind than ``file``.
        folder: Where to put it.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If it is too large, or may not be fetched.
    """
    return importlib.import_module(f"sslkit.recipe.from_{address.kind}").fetch(address, folder)
