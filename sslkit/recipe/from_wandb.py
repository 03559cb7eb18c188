"""A recipe from an artifact of Weights & Biases, at one version."""

from pathlib import Path
from typing import Any

import wandb

from sslkit.recipe.address import LARGEST, Address, inside, only_recipe, too_large


def fetch(address: Address, folder: Path, *, api: Any = None) -> Path:
    """Download the recipe or pack of an artifact.

    Args:
        address: With the artifact and its version.
        folder: Where to put it.
        api: What asks Weights & Biases; None is the library's own.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If there is no recipe in it.
        OSError: If Weights & Biases does not give it.
        ValueError: If it is too large, a reference to elsewhere, or there are several.
    """
    try:
        api = wandb.Api() if api is None else api
        artifact = api.artifact(f"{address.place}:{address.pin}")
        entries = artifact.manifest.entries
        name = only_recipe(list(entries), address)
        size = entries[name].size
        if size is None or size > LARGEST:
            raise too_large(f"{name} of {address.place}", size or LARGEST + 1)
        if entries[name].ref is not None:  # to another server, or to a file here
            raise ValueError(f"{name} of {address.place} refers to {entries[name].ref}: not used.")
        given = artifact.get_entry(name).download(root=str(folder))
    except (ValueError, OSError):
        raise
    except Exception as error:  # of whatever library carries the request
        raise OSError(f"wandb does not give {address.place}:{address.pin}: {error}") from error
    return inside(Path(given), folder)
