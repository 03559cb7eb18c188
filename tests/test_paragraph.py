"""Errors and warnings as the commands say them."""

import warnings

import pytest

from sslkit import evaluate, paragraph
from sslkit.cli import main


def test_a_paragraph_is_wrapped_and_holds_no_commands_to_a_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = paragraph.paragraph("error", f"a\x1b[2Jb\n  {'word ' * 30}")
    assert text.startswith("sslkit: error: a\N{REPLACEMENT CHARACTER}[2Jb word")
    assert max(map(len, text.splitlines())) <= 50 and len(text.splitlines()) > 2


def test_a_command_warns_in_words_and_the_form_is_put_back(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def warns(options) -> int:
        said.append(
            warnings.formatwarning(UserWarning("too\nfew"), UserWarning, "/site/a.py", 7, "warn(")
        )
        return 0

    monkeypatch.setattr(evaluate, "evaluate", warns)
    before = warnings.formatwarning
    assert main(["evaluate", str(tmp_path)]) == 0
    assert said == ["sslkit: warning: too few\n"]
    assert warnings.formatwarning is before
