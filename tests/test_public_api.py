"""The public names are frozen: one that comes or goes is a decision, not an accident.

To accept a change, write the inventory anew, look at the difference and say it in CHANGELOG.md:

    python tests/test_public_api.py
"""

import importlib
import json
from pathlib import Path

import pytest

import sslkit

INVENTORY = Path(__file__).with_name("public_api.json")
UPDATE = "If this is meant, run `python tests/test_public_api.py` and add a line to CHANGELOG.md."


def modules() -> list[str]:
    """The package and its subpackages; modules below them are private."""
    folder = Path(sslkit.__file__).parent
    return ["sslkit", *sorted(f"sslkit.{p.parent.name}" for p in folder.glob("*/__init__.py"))]


def public_names(module: str) -> list[str]:
    return list(importlib.import_module(module).__all__)


def recorded() -> dict[str, list[str]]:
    return json.loads(INVENTORY.read_text())


def test_every_subpackage_is_in_the_inventory() -> None:
    assert modules() == list(recorded()), UPDATE


@pytest.mark.parametrize("module", modules())
def test_public_names_are_those_of_the_inventory(module: str) -> None:
    names, expected = set(public_names(module)), set(recorded().get(module, []))
    assert names == expected, (
        f"{module} gained {sorted(names - expected)} and lost {sorted(expected - names)}. {UPDATE}"
    )


@pytest.mark.parametrize("module", modules())
def test_public_names_are_unique_and_exist(module: str) -> None:
    names = public_names(module)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


if __name__ == "__main__":
    inventory = {module: sorted(public_names(module)) for module in modules()}
    INVENTORY.write_text(json.dumps(inventory, indent=2) + "\n")
