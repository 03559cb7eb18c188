"""What every shipped recipe says of itself; whether it trains is in test_recipes.py."""

import re

import pytest
import yaml

from sslkit.card import load_card
from sslkit.configs.allowlist import check_file
from sslkit.recipe import find_recipe, list_recipes


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_describes_itself(name: str) -> None:
    path = find_recipe(name)
    card = load_card(path)
    config = yaml.safe_load(path.read_text())
    assert card is not None, "every shipped recipe has a card"
    assert card.name == name
    assert card.seed == config["seed_everything"]
    assert card.method == config["model"]["class_path"].rsplit(".", 1)[-1]
    header = path.read_text().split("recipe:", 1)[0]
    for word in ("Paper", "Command", f"sslkit fit --config {name}", "Hardware", "Expected"):
        assert word in header, f"the header of {path.name} does not say {word}"


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_passes_the_import_allowlist(name: str) -> None:
    check_file(find_recipe(name))


def test_small_recipes_with_plugins_are_plain_ones_otherwise() -> None:
    names = [name for name in list_recipes() if name.startswith("small/")]
    configs = {name: yaml.safe_load(find_recipe(name).read_text()) for name in names}
    added: dict[str, list] = {}
    for name, config in configs.items():
        del config["recipe"]
        config["trainer"].pop("callbacks", None)  # these record, and change nothing
        if plugins := config["model"]["init_args"].pop("plugins", None):
            added[name] = plugins
    plain = [config for name, config in configs.items() if name not in added]
    assert len(added) > 6
    for name in added:
        assert plain.count(configs[name]) == 1, name


@pytest.mark.parametrize("name", list_recipes())
def test_the_devices_of_a_header_are_those_of_the_card(name: str) -> None:
    path = find_recipe(name)
    card = load_card(path)
    assert card is not None
    said = re.search(r"^# Hardware  (\d+) GPUs of ([\d,]+) images", path.read_text(), re.MULTILINE)
    assert card.devices == (int(said[1]) if said else None)
    if said:
        assert yaml.safe_load(path.read_text())["data"]["batch_size"] == int(said[2])
