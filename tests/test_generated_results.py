"""What is generated from records and cards is up to date."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def results():
    """The module benchmarks/results.py, which imports what lies beside it."""
    path = list(sys.path)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import results
    finally:
        sys.path[:] = path
    return results


REMEDY = "run `python benchmarks/results.py`"


def test_results(results):
    assert results.results() == (ROOT / "benchmarks" / "RESULTS.md").read_text(), REMEDY


def test_readme(results):
    text = results.README.read_text()
    assert results.readme(text) == text, REMEDY


def test_notebook(results):
    text = results.NOTEBOOK.read_text(encoding="utf-8")
    assert results.notebook(text) == text, REMEDY


def test_cards(results):
    cards = results.measured_cards
    for record in cards.read("small_cifar10.sslkit."):
        path = cards.RECIPES / f"{record['method']}.yaml"
        if cards.is_own(record):
            text = path.read_text(encoding="utf-8")
            assert cards.with_figures(text, record) == text, REMEDY


def test_records_name_no_place_on_a_machine():
    for path in (ROOT / "benchmarks" / "records").glob("*.json"):
        text = path.read_text()
        assert "/tmp/" not in text and str(Path.home()) not in text, path.name
