"""Which file a user means, and where what is found of it goes."""

from pathlib import Path

import pytest

from sslkit.origin import EVALUATED, Origin, find_checkpoint, find_origin


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_a_checkpoint_is_found_from_its_run(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    path.parent.mkdir()
    path.touch()
    assert [find_checkpoint(p) for p in (tmp_path, path.parent, path)] == [path] * 3
    assert find_origin(tmp_path) == Origin(path, tmp_path / "config.yaml", tmp_path, in_run=True)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        find_checkpoint(tmp_path / "elsewhere")


def test_an_added_encoder_is_found_by_its_recipe_and_nothing_is_kept_beside_it(mine: Path) -> None:
    path = mine / "birds/simclr.safetensors"
    path.parent.mkdir(parents=True)
    path.touch()
    expected = Origin(path, path.with_suffix(".yaml"), EVALUATED / "birds/simclr", in_run=False)
    assert find_origin("user/birds/simclr") == find_origin(path) == expected
    assert find_origin("mine/birds/simclr.safetensors").folder == expected.folder
    Path("encoder.safetensors").touch()
    assert find_origin("encoder.safetensors").folder == EVALUATED / "encoder"


def test_what_has_no_encoder_says_where_to_get_one(mine: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"user/birds: .*recipe pack RUN --checkpoint"):
        find_origin("user/birds")
    Path("birds.sslrecipe").touch()
    with pytest.raises(ValueError, match=r"sslkit recipe add birds\.sslrecipe"):
        find_origin("birds.sslrecipe")
