"""A recipe from a repository of the Hugging Face hub, at one commit."""

from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from sslkit.recipe.address import LARGEST, Address, inside, only_recipe, too_large


def fetch(address: Address, folder: Path, *, api: Any = None) -> Path:
    """Download the recipe or pack of a repository.

    Args:
        address: With the repository and the commit.
        folder: Where to put it.
        api: What asks the hub; None is the library's own.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If there is no recipe in it.
        OSError: If the hub does not give it.
        ValueError: If it is too large, or there are several.
    """
    api = HfApi() if api is None else api
    try:
        info = api.model_info(address.place, revision=address.pin, files_metadata=True)
        sizes = {entry.rfilename: entry.size for entry in info.siblings or ()}
        name = only_recipe(list(sizes), address)
        size = sizes[name]
        if size is None or size > LARGEST:
            raise too_large(f"{name} of {address.place}", size or LARGEST + 1)
        given = api.hf_hub_download(
            address.place, name, revision=address.pin, local_dir=str(folder)
        )
    except (ValueError, OSError):
        raise
    except Exception as error:  # of whatever library carries the request
        raise OSError(f"the hub does not give {address.place} at {address.pin}: {error}") from error
    return inside(Path(given), folder)
