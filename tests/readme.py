"""The README's code blocks, which tests run as they stand there."""

import re
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """All blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def block(language: str, words: str) -> str:
    """The one block of a language with these words in it."""
    (found,) = [text for text in blocks(language) if words in text]
    return found
