"""A small campaign of mutated recipes and packs; the large one is benchmarks/fuzz_recipes.py."""

import sys
from pathlib import Path

import pytest
from audit import Audit
from fuzz_recipes import campaign
from packs import RECIPE
from shown_recipes import unseen

from sslkit.configs.finding import user_folder


def test_nothing_crashes_is_imported_or_touched(tmp_path: Path) -> None:
    before = user_folder(), list(sys.path)
    found = campaign(tmp_path, inputs=300, seed=20)
    assert found["found"] == []
    assert found["compared_with_what_was_shown"] >= 10
    assert found["inputs"] == 300 and found["events"] > 1000
    for kind in ("config", "recipe", "pack"):
        for outcome in ("accepted", "refused"):
            assert found["outcomes"][f"{kind} {outcome}"] > 3
    assert "fuzz_bait" not in sys.modules
    assert (user_folder(), list(sys.path)) == before
    written = {path.suffix for path in (tmp_path / "recipes").rglob("*") if path.is_file()}
    assert written <= {".yaml", ".json", ".safetensors"}
    assert (tmp_path / "recipes/small/tribyol.yaml").read_text() == "small/tribyol.yaml"
    assert {path.name for path in tmp_path.iterdir()} == {"inputs", "outside", "recipes"}


def test_what_is_not_shown_is_noticed() -> None:
    text = RECIPE + (
        "trainer:\n"
        "  a: /x/y\n  b: ../z\n  c: x/../y\n  d: s3://bucket\n  e: C:/f\n  f: a b://c\n"
        "  logger: {class_path: my_lab.Logger}\n  g: torch.nn.ReLU\n  h: {download: 1}\n"
        """  i: "{class_path: my_lab.Other, init_args: &a {root: ~/k, download: off, b: *a}}"\n"""
    )
    whole = [
        *("sslkit.methods.SimCLR", "/x/y", "../z", "x/../y", "s3://bucket", "C:/f"),
        *("my_lab.Logger", "torch.nn.ReLU", "trainer.h.download", "my_lab.Other", "~/k"),
    ]
    assert sorted(unseen(text, "")) == sorted(whole)
    assert unseen(text, "\n   ".join(whole)) == []
    for one in whole:
        assert unseen(text, " ".join(x for x in whole if one not in x)) == [one]


def test_the_audit_sees_what_it_is_to_see(tmp_path: Path) -> None:
    allowed, hidden = tmp_path / "in", tmp_path / "hidden"
    allowed.mkdir()
    hidden.touch()
    (tmp_path / "bait_of_the_audit.py").touch()
    audit = Audit(written=(allowed,), hidden=(hidden,), bait="bait_of_the_audit")
    sys.path.append(str(tmp_path))
    try:
        with audit(reads_what_is_named=False):
            (allowed / "a").write_text("x")
            (allowed / "a").rename(allowed / "b")
            (tmp_path / "out").write_text("x")
            hidden.read_text()
            (allowed / "b").rename(tmp_path / "c")
            with pytest.raises(ModuleNotFoundError):
                __import__("bait_of_the_audit.sub")
        with audit(reads_what_is_named=True):
            hidden.read_text()
    finally:
        sys.path.remove(str(tmp_path))
    events = [found.split()[0] for found in audit.take()]
    assert events == ["open", "open", "os.rename", "import", "import"]
    assert audit.take() == []
    hidden.read_text()
    assert audit.take() == []
