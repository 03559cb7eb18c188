import sys
from pathlib import Path

import pytest

from sslkit.configs.exports import public_names


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose import would raise."""
    root = tmp_path / "exports_probe"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text("raise SystemExit('imported')\n")
    (root / "inner" / "__init__.py").write_text(
        "from exports_probe.inner.one import One as Renamed\n"
        "from .two import *\n"
        "from exports_probe.other import Elsewhere\n"
        "from . import one\n"
        "from .. import other\n"
        "def function(): ...\n"
        "class _Private: ...\n"
    )
    (root / "inner" / "one.py").write_text("class One: ...\n")
    (root / "inner" / "two.py").write_text("__all__ = ['Two']\nclass Two: ...\nclass Three: ...\n")
    (root / "listed.py").write_text(
        "__all__ = ('B', 'A')\nclass A: ...\nclass B: ...\nclass C: ..."
    )
    (root / "beside").mkdir()
    (root / "beside" / "__init__.py").write_text(
        "__all__ = ['One', 'A']\n"
        "from exports_probe.inner.one import One\n"
        "from exports_probe.listed import A, C\n"
        "from exports_probe import inner\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return root


def test_names_are_followed_to_their_definition_without_an_import(package: Path) -> None:
    assert public_names("exports_probe.inner") == {
        "Renamed": "exports_probe.inner.one.One",
        "Two": "exports_probe.inner.two.Two",
        "function": "exports_probe.inner.function",
    }
    assert "exports_probe" not in sys.modules


def test_a_listed_module_gives_its_list_in_order(package: Path) -> None:
    names = public_names("exports_probe.listed")
    assert list(names) == ["B", "A"]
    assert names["A"] == "exports_probe.listed.A"


def test_what_is_listed_is_followed_out_of_the_module_too(package: Path) -> None:
    assert public_names("exports_probe.beside") == {
        "One": "exports_probe.inner.one.One",
        "A": "exports_probe.listed.A",
    }


def test_what_is_not_there_has_no_names() -> None:
    assert public_names("no_such_package_at_all.inner") == {}
    assert public_names("sslkit.no_such_module") == {}
