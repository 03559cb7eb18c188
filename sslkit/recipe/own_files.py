"""The files that ``recipe add`` writes among the user's, all of them or none, and no others.

A record in the folder of recipes has a checksum of each file that was written. What is there and
has another content is the user's: it is neither replaced nor removed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sslkit.configs.finding import user_folder
from sslkit.whole_file import whole_file

RECORD = ".added.json"

Write = Callable[[Path], object]
"""Fills a file whose path it is given."""


def is_own(path: Path) -> bool:
    """Whether a file is there, as an earlier ``add`` wrote it.

    Args:
        path: In the folder of the user's recipes.
    """
    return path.is_file() and _digest(path) in _record().get(_name(path), ())


def check_own(paths: Iterable[Path]) -> None:
    """Refuse to replace what no ``add`` wrote.

    Args:
        paths: That are about to be written.

    Raises:
        FileExistsError: If one of them is there and is the user's.
    """
    for path in paths:
        if os.path.lexists(path) and not is_own(path):
            raise FileExistsError(
                f"{path} is there, and is not as `sslkit recipe add` wrote it, if it did: it is "
                "left alone. Move it away, or add the recipe under another name with --name."
            )


def replace_own(new: Sequence[tuple[Path, Write]], old: Iterable[Path] = ()) -> None:
    """Write files and remove others, all or none; the last one takes its place at last.

    Args:
        new: Where they belong, and what fills them.
        old: Files that go; those that are the user's stay.

    Raises:
        FileExistsError: As `check_own`.
        OSError: If one cannot be written; then everything is as it was.
    """
    check_own(path for path, _ in new)
    gone = [path for path in old if is_own(path)]
    made = _missing_folders(path.parent for path, _ in new)
    staged: dict[Path, Path] = {}
    aside: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        for path, write in new:
            path.parent.mkdir(parents=True, exist_ok=True)
            staged[path] = _hidden(path, "new")
            write(staged[path])
        # Before they are there: whoever is killed in between can still replace them.
        _remember({_name(path): _digest(file) for path, file in staged.items()})
        for path in [*gone, *(path for path, _ in new[:-1] if path.is_file())]:
            os.replace(path, _hidden(path, "old"))
            aside[path] = _hidden(path, "old")
        for path, file in staged.items():
            os.replace(file, path)
            placed.append(path)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        for path, kept in aside.items():
            os.replace(kept, path)
        for file in staged.values():
            file.unlink(missing_ok=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise
    for kept in aside.values():
        kept.unlink()


def _hidden(path: Path, what: str) -> Path:
    """Beside it, by a name without an ending to be found by."""
    return path.with_name(f".{path.name}.{os.getpid()}{what}")


def _missing_folders(folders: Iterable[Path]) -> list[Path]:
    """Those that will be made, the innermost first."""
    every = {folder for given in folders for folder in (given, *given.parents)}
    return sorted((f for f in every if not f.exists()), key=lambda f: -len(f.parts))


def _name(path: Path) -> str:
    return path.relative_to(user_folder()).as_posix()


def _record() -> Mapping[str, Sequence[str]]:
    try:
        found = json.loads((user_folder() / RECORD).read_text(encoding="utf-8"))["files"]
        return {name: [str(digest) for digest in digests] for name, digests in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # then all that is there is the user's


def _remember(written: Mapping[str, str]) -> None:
    files = {name: [*digests] for name, digests in _record().items()}
    for name, digest in written.items():
        files[name] = [*(known for known in files.get(name, ()) if known != digest), digest]
    with whole_file(user_folder() / RECORD) as unfinished:
        content = {"version": 1, "files": dict(sorted(files.items()))}
        unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
