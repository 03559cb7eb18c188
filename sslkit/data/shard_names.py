"""From a pattern to the names of tar shards."""

import glob
import importlib
import math
import os
import re
from collections.abc import Sequence

from sslkit.data.shard_samples import is_address

# Ends of a range with a digit too many must not fill the memory.
_MOST = 1_000_000
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def names_shards(source: str) -> bool:
    """Whether a text names tar shards, and not a folder or another file."""
    return source.lower().endswith((".tar", ".tar.gz", ".tgz"))


def shard_names(shards: str | Sequence[str]) -> list[str]:
    """The shards that patterns name, in their order; files among them are there.

    Args:
        shards: Paths or addresses, with braces (``{0000..0146}``, ``{a,b}``) or, for files, ``*``;
            those of a ``*`` are sorted.

    Raises:
        FileNotFoundError: If a file is missing, or none matches.
        ModuleNotFoundError: If braceexpand, which comes with webdataset, is not installed.
        ValueError: If there is no pattern or too many shards, or one names a program or a store
            that cannot be read.
    """
    patterns = [shards] if isinstance(shards, str) else list(shards)
    names = [name for pattern in patterns for name in _expanded(pattern)]
    if not names:
        raise ValueError(f"`shards` is {shards!r}, which names no shard. Give at least one.")
    missing = [name for name in names if not is_address(name) and not os.path.isfile(name)]
    if missing:
        raise FileNotFoundError(
            f"`shards` names {len(names)} shard(s), and {len(missing)} of them are not there, "
            f"first {missing[0]} ({os.path.abspath(missing[0])}). Correct the pattern, or leave "
            "out what is missing: {0000..0099} counts with leading zeros, and both ends belong."
        )
    return names


def _expanded(pattern: str) -> list[str]:
    if _SCHEME.match(pattern) and not is_address(pattern):
        raise ValueError(
            f"`shards` has {pattern!r}, and shards are files or http(s) addresses. Programs "
            "(pipe:) are not run, as a recipe could then run any; mount other stores, or use their "
            "http(s) addresses."
        )
    names = _braces(os.path.expanduser(pattern))
    if is_address(pattern) or "*" not in pattern:
        return names
    found = [file for name in names for file in sorted(glob.glob(name))]
    if not found:
        raise FileNotFoundError(f"`shards` has {pattern!r}, and no file matches it.")
    return found


def _braces(pattern: str) -> list[str]:
    if "{" not in pattern:
        return [pattern]
    try:
        braceexpand = importlib.import_module("braceexpand")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a pattern of shards with braces is read by braceexpand, which comes with webdataset "
            f"and is not installed ({error}): pip install 'sslkit[stream]'."
        ) from error
    count = math.prod(abs(int(last) - int(first)) + 1 for first, last in _RANGE.findall(pattern))
    if count > _MOST:
        raise ValueError(f"`shards` has {pattern!r}, which names {count:,} shards: too many.")
    try:
        return list(braceexpand.braceexpand(pattern))
    except braceexpand.UnbalancedBracesError as error:
        raise ValueError(f"`shards` has {pattern!r}, whose braces do not match.") from error
