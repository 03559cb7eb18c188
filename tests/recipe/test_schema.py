import json

import pytest

from sslkit.cli import main
from sslkit.recipe import recipe_folder
from sslkit.recipe.schema import recipe_schema, schema_text


def test_the_schema_beside_the_recipes_is_that_of_the_card() -> None:
    shipped = (recipe_folder() / "recipe.schema.json").read_text()
    assert shipped == schema_text(), (
        "write it anew: python -m sslkit recipe schema > recipes/recipe.schema.json"
    )


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == recipe_schema()


def test_it_says_what_the_card_takes() -> None:
    card = recipe_schema()["properties"]["recipe"]
    assert card["required"] == ["name", "method", "dataset", "summary", "seed", "status"]
    assert card["additionalProperties"] is False
    keys = card["properties"]
    assert keys["status"]["enum"] == ["measured", "published", "untested"]
    assert keys["seed"]["type"] == "integer"
    assert keys["minutes"]["anyOf"] == [{"type": "number"}, {"type": "null"}]
    assert keys["version"]["default"] == 1
    figure = keys["expected"]["items"]
    assert figure["required"] == ["metric", "value", "protocol", "source"]
    for key in (*keys.values(), *figure["properties"].values()):
        assert key["description"]
        assert "  " not in key["description"]
