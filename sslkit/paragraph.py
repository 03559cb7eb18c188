"""What the commands say on stderr: one readable paragraph, an error or a warning."""

import shutil
import textwrap
import warnings

from sslkit.printable import printable


def paragraph(kind: str, text: str) -> str:
    """One paragraph, wrapped to the terminal.

    Args:
        kind: ``error`` or ``warning``.
        text: Of ours, or of a stranger's file: what it says must not reach the terminal as a
            command to it.
    """
    text = printable(" ".join(text.split()), "\N{REPLACEMENT CHARACTER}")
    width = max(40, min(100, shutil.get_terminal_size().columns))
    return textwrap.fill(
        f"sslkit: {kind}: {text}", width=width, break_long_words=False, break_on_hyphens=False
    )


def warn_in_words() -> None:
    """Let warnings be their text, without the line of the package that gave them.

    To be called after Lightning is imported, which sets a form of its own.
    """
    warnings.formatwarning = _in_words


def _in_words(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"{paragraph('warning', str(message))}\n"
