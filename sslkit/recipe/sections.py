"""Facts about a recipe as text: a title, and below it a line or more for each key."""

import textwrap
from collections.abc import Iterable

from sslkit.printable import printable

_WIDTH = 100


def section(title: str, entries: Iterable[tuple[str, str]]) -> str:
    """A title and what stands under it, wrapped.

    Args:
        title: Of the section.
        entries: Keys of up to 9 characters and their texts; what no terminal should print is left
            out of both.
    """
    lines = [title]
    for key, text in entries:
        lines += textwrap.wrap(
            " ".join(printable(text).split()),
            width=_WIDTH,
            initial_indent=f"  {key:<9} ",
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
