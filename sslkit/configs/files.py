"""The files that a config pulls in: the parser takes a text that names a file for its content.

A value is read as a part of the config from a file named in it, relative to the folder of the
config or to the working directory, whatever the file is called; a list also line by line.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

# Never part of YAML: the parser gives up on a file with one of them. Images, archives and
# checkpoints have some at the start.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_HEAD = 1 << 16
_FILE_SCHEME = re.compile(r"file:///?")


def named_file(text: str, folders: Iterable[Path]) -> Path | None:
    """The file that a text names in one of the folders, or None.

    Args:
        text: A value of a config.
        folders: Where relative paths may start.

    Raises:
        ValueError: If it is standard input or a pipe: read once to be checked, it would be empty.
    """
    if text == "-":
        raise ValueError("'-', standard input, which cannot be checked: write it into a file.")
    path = _FILE_SCHEME.sub("/", os.path.expanduser(text), count=1) if text else ""
    for folder in folders:
        candidate = os.path.join(folder, path)
        # These say no to what no file can be called; pathlib raises.
        if path and os.path.isfile(candidate):
            return Path(candidate)
        if path and os.path.exists(candidate) and stat.S_ISFIFO(os.stat(candidate).st_mode):
            raise ValueError(f"{text!r}, a pipe, which cannot be checked: write it into a file.")
    return None


def text_of(path: Path) -> str | None:
    """What a file says, or None when it is no text that a config could be read from."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if _BINARY.search(head):
            return None
        content = head + file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # In another locale the parser may read it; names of modules are the same in all of them.
        return content.decode("latin-1")
