"""A recipe from an https address: nothing but https on the way, and not more than fits."""

import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError

from sslkit.recipe.address import LARGEST, Address, file_name, too_large

_CHUNK = 1 << 16
_SECONDS = 30.0


class StayOnHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to https only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request.

        Raises:
            ValueError: If it would not be over https.
        """
        if not newurl.lower().startswith("https://"):
            raise ValueError(f"{req.full_url} leads to {newurl}, and only https:// is followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def https_opener() -> urllib.request.OpenerDirector:
    """Opens https addresses, through a proxy where one is set, and no others: no files, no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        StayOnHttps(),
    ):
        opener.add_handler(handler)
    return opener


def fetch(
    address: Address, folder: Path, *, opener: urllib.request.OpenerDirector | None = None
) -> Path:
    """Download a file.

    Args:
        address: An https URL.
        folder: Where to put it, under the name that ends the URL.
        opener: What opens it; None is `https_opener`.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If it is called like no recipe, is too large, or leads away from https.
    """
    url = address.place
    target = folder / file_name(url)
    request = urllib.request.Request(url, headers={"User-Agent": "sslkit"})
    try:
        with (opener or https_opener()).open(request, timeout=_SECONDS) as answer:
            length = answer.headers.get("Content-Length") or "0"
            if length.isdecimal() and int(length) > LARGEST:
                raise too_large(url, int(length))
            read = _copy(answer, target, url)
    except (URLError, HTTPException, TimeoutError) as error:
        raise OSError(f"{url} cannot be fetched: {error}.") from error
    if length.isdecimal() and 0 < int(length) != read:
        raise OSError(f"{url} ended after {read:,} of {int(length):,} bytes: try again.")
    return target


def _copy(answer: Any, target: Path, url: str) -> int:
    read = 0
    with target.open("wb") as file:
        while chunk := answer.read(_CHUNK):
            read += len(chunk)
            # Whatever the answer says of its length.
            if read > LARGEST:
                raise too_large(url, read)
            file.write(chunk)
    return read
