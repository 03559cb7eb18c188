import pytest

from sslkit.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"), [("plain ä", "plain ä"), ("\x1b[2Ja\x07", "?[2Ja?"), ("a\nb\u202e", "a?b?")]
)
def test_what_no_terminal_should_print_is_replaced(text: str, shown: str) -> None:
    assert printable(text, "?") == shown
    assert printable(text) == shown.replace("?", " ")
