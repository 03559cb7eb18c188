"""The page for those who come from elsewhere: what it calls ours is ours."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from sslkit import callbacks, data, methods, nn, optim, views
from sslkit.nn.layouts import _PREFIXES

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "coming_from.md").read_text()
HOMES = (methods, views, optim, nn, callbacks, data)


def calls() -> list[str]:
    """Python in the second column of the tables of settings."""
    rows = [line.split(" | ")[1] for line in PAGE.splitlines() if line.count(" | ") == 2]
    code = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    return [text for text in code if re.fullmatch(r"[A-Z]\w*\(.*\)", text)]


def test_there_is_something_to_check() -> None:
    assert len(calls()) > 40


@pytest.mark.parametrize("text", sorted(set(calls())))
def test_every_argument_is_there(text: str) -> None:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    (home,) = [m for m in HOMES if call.func.id in m.__all__]
    parameters = inspect.signature(getattr(home, call.func.id)).parameters
    assert {k.arg for k in call.keywords} <= set(parameters), text


def test_the_table_of_checkpoints_has_every_prefix() -> None:
    table = PAGE.split("## lightly")[0]
    for prefix in _PREFIXES:
        assert f"{prefix}*`" in table or not prefix, prefix
