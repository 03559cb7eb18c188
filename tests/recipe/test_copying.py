from pathlib import Path

import pytest
import yaml

from sslkit.card import load_card
from sslkit.cli import main
from sslkit.configs.extends import lineage, merged_config
from sslkit.recipe import find_recipe, list_recipes
from sslkit.recipe.copying import copy_recipe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_card(path: Path) -> dict:
    config = yaml.safe_load(path.read_text())
    del config["recipe"]
    return config


@pytest.mark.parametrize("name", list_recipes())
def test_a_copy_means_the_same_and_claims_nothing(name: str) -> None:
    target = copy_recipe(name, "mine/try.yaml")
    card, original = load_card(target), load_card(find_recipe(name))
    assert card is not None and original is not None
    assert (card.name, card.status) == ("try", "untested")
    assert (card.expected, card.hardware, card.minutes, card.sslkit) == ([], None, None, None)
    assert (card.method, card.dataset, card.paper) == (
        original.method,
        original.dataset,
        original.paper,
    )
    assert without_card(target) == without_card(find_recipe(name))


def test_comments_and_header_are_kept_and_the_command_is_that_of_the_copy() -> None:
    before = find_recipe("quickstart").read_text()
    after = copy_recipe("quickstart", "a.yaml").read_text()
    head, rest = before.split("recipe:\n")
    assert after.startswith(
        head.replace("sslkit fit --config quickstart", "sslkit fit --config a.yaml") + "recipe:\n"
    )
    assert "--config quickstart" not in after
    assert after.endswith(rest[rest.index("\nseed_everything") :])


def test_where_a_copy_goes(here: Path) -> None:
    assert copy_recipe("small/moco") == Path("moco.yaml")
    (here / "folder").mkdir()
    assert copy_recipe("small/moco", "folder") == Path("folder/moco.yaml")
    assert copy_recipe("moco.yaml", "new/") == Path("new/moco.yaml")
    with pytest.raises(FileExistsError, match=r"moco\.yaml is there already"):
        copy_recipe("small/moco")
    with pytest.raises(ValueError, match=r"end it in \.yaml"):
        copy_recipe("small/moco", "moco.txt")
    with pytest.raises(FileNotFoundError, match="Did you mean small/moco"):
        copy_recipe("smal/moco")
    Path("plain.yaml").write_text("seed_everything: 0\n")
    with pytest.raises(ValueError, match="has no card"):
        copy_recipe("plain.yaml", "b.yaml")


def test_a_copy_still_finds_what_it_extends(here: Path) -> None:
    card = "recipe: {name: c, method: MoCo, dataset: d, summary: s, seed: 0, status: untested}\n"
    Path("base.yaml").write_text("seed_everything: 0\n")
    Path("child.yaml").write_text(f"extends: base.yaml   # near\n{card}")
    with pytest.raises(ValueError, match="written in braces"):
        copy_recipe("child.yaml", "far/away/copy.yaml")
    lines = yaml.safe_dump(yaml.safe_load(card), sort_keys=False)
    Path("child.yaml").write_text(f"{lines}extends: base.yaml   # near\n")
    copy = copy_recipe("child.yaml", "far/away/copy.yaml")
    assert "extends: ../../base.yaml   # near" in copy.read_text()
    assert lineage(copy)[1].samefile("base.yaml")
    assert merged_config(copy)["recipe"]["name"] == "copy"


def test_a_copy_of_a_changed_recipe_has_a_name_of_its_own() -> None:
    text = find_recipe("quickstart").read_text()
    changed = "  status: measured\n  changed:\n    - data.limit\n"
    Path("run.yaml").write_text(text.replace("  status: measured\n", changed))
    card = load_card(copy_recipe("run.yaml", "mine.yaml"))
    assert card is not None and card.changed == [] and card.name == "mine"
    assert merged_config(Path("mine.yaml"))["data"] == merged_config(Path("run.yaml"))["data"]


def test_the_command_says_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "copy", "quickstart", "mine.yaml"]) == 0
    assert "sslkit recipe check mine.yaml" in capsys.readouterr().out
    assert main(["recipe", "copy", "quickstart", "mine.yaml"]) == 1
