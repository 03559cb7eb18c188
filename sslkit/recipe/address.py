"""Where a recipe may be sent from, and what of an address has to be pinned."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from sslkit.configs.finding import PACK

Kind = Literal["file", "url", "hub", "wandb"]
ENDINGS = (PACK, ".yaml", ".yml")
LARGEST = 1 << 30  # bytes that are fetched at most

_HUB = re.compile(r"(?:hf:)?(?P<repo>[\w.-]+/[\w.-]+)@(?P<pin>[^:]*)(?::(?P<file>.+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANDB = re.compile(
    r"(?:wandb:)?(?P<artifact>(?:[\w.-]+/){1,2}[\w.-]+):(?P<pin>[^:]*)(?::(?P<file>.+))?"
)
_VERSION = re.compile(r"v\d+")


@dataclass(frozen=True)
class Address:
    """Where a recipe is.

    Attributes:
        kind: Of what it is an address.
        place: A path, a URL, a repository's or an artifact's name.
        pin: Commit of a repository, version of an artifact.
        file: In the repository or artifact, or None for the only one.
    """

    kind: Kind
    place: str
    pin: str = ""
    file: str | None = None


def parse_address(text: str) -> Address:
    """What an address means; nothing is asked for.

    Args:
        text: A file; ``https://...``; ``hf:OWNER/NAME@COMMIT[:FILE]``; or
            ``wandb:ENTITY/PROJECT/ARTIFACT:vN[:FILE]``. The last two also without what stands
            before the first colon, where there is no such file.

    Raises:
        ValueError: If it is another kind of URL, or may be something else tomorrow.
    """
    scheme = urlsplit(text).scheme.lower() if "://" in text else ""
    if scheme == "https":
        return Address("url", text)
    if scheme:
        raise ValueError(
            f"{text} is not fetched: only https:// is. For a file give its path; for the Hugging "
            "Face hub hf:OWNER/NAME@COMMIT; for an artifact wandb:ENTITY/PROJECT/NAME:v0."
        )
    found = None if Path(text).exists() else _HUB.fullmatch(text)
    if found or text.startswith("hf:"):
        if found is None or not _COMMIT.fullmatch(found["pin"]):
            raise ValueError(
                f"{text} must be hf:OWNER/NAME@COMMIT, with all 40 digits of the commit: branches "
                "and tags move. The repository's history shows them."
            )
        return Address("hub", found["repo"], found["pin"], _inside(found["file"]))
    found = None if Path(text).exists() else _WANDB.fullmatch(text)
    if found or text.startswith("wandb:"):
        if found is None or not _VERSION.fullmatch(found["pin"]):
            raise ValueError(
                f"{text} must be wandb:ENTITY/PROJECT/ARTIFACT:v0, with the artifact's version: "
                "names such as latest move."
            )
        return Address("wandb", found["artifact"], found["pin"], _inside(found["file"]))
    return Address("file", text)


def only_recipe(names: list[str], address: Address) -> str:
    """The file of a repository or artifact that is meant.

    Args:
        names: Of all its files.
        address: With the file, unless there is one only.

    Raises:
        FileNotFoundError: If there is none, or not the one that is named.
        ValueError: If there are several, or its name leads out of a folder.
    """
    if address.file is not None:
        names = [name for name in names if name == address.file]
    names = [name for name in names if name.endswith(ENDINGS)]
    if not names:
        wanted = address.file or f"file ending in {' or '.join(ENDINGS)}"
        raise FileNotFoundError(f"{address.place} at {address.pin} has no {wanted}.")
    packs = [name for name in names if name.endswith(PACK)] or names
    if len(packs) > 1:
        raise ValueError(
            f"{address.place} has {', '.join(sorted(packs)[:5])}: name one at the end of the "
            f"address, after a colon."
        )
    return _inside(packs[0]) or packs[0]


def file_name(url: str) -> str:
    """What a downloaded file is called: the end of its URL's path.

    Raises:
        ValueError: If it is not called like a recipe or a pack.
    """
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    if not name.endswith(ENDINGS) or not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(f"{url} is not the address of a file called {' or '.join(ENDINGS)}.")
    return name


def too_large(what: str, size: int) -> ValueError:
    """The refusal of what is larger than is fetched."""
    return ValueError(
        f"{what} has {size:,} bytes, and at most {LARGEST:,} are fetched: download it yourself, "
        "and add the file."
    )


def inside(given: Path, folder: Path) -> Path:
    """A downloaded file, if it is where it was to be put.

    Raises:
        ValueError: If it is elsewhere, or no file.
    """
    file = given.resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise ValueError(f"{given} is not a file in {folder}, where it was to be: it is not used.")
    return file


def _inside(name: str | None) -> str | None:
    if name is not None and not all(
        re.fullmatch(r"[\w][\w. +=,-]*", part) for part in name.split("/")
    ):
        raise ValueError(f"{name!r} is not the name of a file in a repository or artifact.")
    return name
