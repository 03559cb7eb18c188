"""Texts of strangers, which must not reach a terminal as commands to it."""


def printable(text: str, instead: str = " ") -> str:
    """A text with another character in place of each that no terminal should print.

    Args:
        text: From a file, a server or a folder's name.
        instead: What stands in their place.
    """
    return "".join(c if c.isprintable() else instead for c in text)
