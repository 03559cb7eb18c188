"""What a piece of Python does to the machine it runs on, as the interpreter's audit events say."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Events after which something else runs, or somebody else is told.
_NEVER = (
    "subprocess.",
    "socket.",
    "ctypes.",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.fork",
    "os.startfile",
    "pty.",
    "pickle.",
    "urllib.",
    "http.",
    "ftplib.",
    "webbrowser.",
)
# Events that change files, with the number of paths that come first.
_CHANGES = {
    "os.remove": 1,
    "os.rename": 2,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "shutil.rmtree": 1,
    "shutil.move": 2,
    "shutil.copyfile": 2,
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Audit:
    """Watches while it is told to; the interpreter never lets go of a hook.

    Args:
        written: Folders in which files may be written.
        hidden: Files that nothing may open.
        bait: A module that nothing may import.
    """

    def __init__(self, *, written: Sequence[Path], hidden: Sequence[Path], bait: str) -> None:
        self._written = tuple(f"{folder}{os.sep}" for folder in written)
        self._hidden = frozenset(map(str, hidden))
        self._bait = bait
        self._watching = self._reads_what_is_named = False
        self._violations: list[str] = []
        self.events = 0
        sys.addaudithook(self._hook)

    @contextmanager
    def __call__(self, *, reads_what_is_named: bool) -> Iterator[None]:
        """Watch what the block does.

        Args:
            reads_what_is_named: Whether it may open the hidden files after all.
        """
        self._watching, self._reads_what_is_named = True, reads_what_is_named
        try:
            yield
        finally:
            self._watching = False

    def take(self) -> list[str]:
        """What was done and should not have been, since the last time."""
        found, self._violations = self._violations, []
        return found

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        self._watching = False  # what is done here is not looked at
        try:
            self.events += 1
            if (problem := self._problem(event, arguments)) is not None:
                self._violations.append(f"{event} {problem}")
        finally:
            self._watching = True

    def _problem(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open":
            return self._opened(*arguments)
        if event == "import":
            name = str(arguments[0])
            top = name.partition(".")[0]
            return None if top in sys.stdlib_module_names and top != self._bait else name
        if event in _CHANGES:
            paths = [str(path) for path in arguments[: _CHANGES[event]]]
            return None if all(map(self._may_write, paths)) else " ".join(paths)
        return repr(arguments)[:200] if event.startswith(_NEVER) else None

    def _opened(self, path: Any, mode: str | None, flags: int) -> str | None:
        if isinstance(path, int):
            return None
        name = os.path.abspath(os.fsdecode(path))
        writes = bool(flags & _WRITES) or any(c in (mode or "") for c in "wax+")
        if writes and not self._may_write(name):
            return f"{name} to write"
        hidden = name in self._hidden and not self._reads_what_is_named
        return f"{name} to read" if hidden else None

    def _may_write(self, path: str) -> bool:
        return f"{os.path.abspath(path)}{os.sep}".startswith(self._written)
