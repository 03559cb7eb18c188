"""From a run's folder to a pack: what the card claims, what stays at home, and the same bytes."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from finished_runs import write_run
from runs import cnn, written_run

from sslkit.card import card_of
from sslkit.cli import main
from sslkit.configs.finding import find_recipe, user_folder
from sslkit.nn import load_encoder
from sslkit.recipe.pack_reading import Pack, read_pack
from sslkit.recipe.packing import pack_run

CARD = {
    "name": "small/moco",
    "method": "SimCLR",
    "dataset": "CIFAR-10",
    "summary": "A test.",
    "paper": "P",
    "seed": 0,
    "status": "measured",
    "expected": [{"metric": "linear", "value": 99.9, "protocol": "old", "source": "old"}],
    "hardware": "old",
    "minutes": 999.0,
    "sslkit": "0.0.0",
}
ENVIRONMENT = {"python": "3.11.7", "processor": "AMD EPYC", "packages": {"sslkit": "0.9.0"}}


def config(**card: Any) -> dict[str, Any]:
    return {
        "recipe": CARD | card,
        "seed_everything": 0,
        "trainer": {"max_epochs": 8, "default_root_dir": "/home/me/runs"},
        "model": {"class_path": "sslkit.methods.SimCLR", "init_args": {"temperature": 0.1}},
        "data": {"source": "/home/me/photos", "limit": None},
    }


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs/birds/version_0"
    write_run(folder, config(), checkpoint="/home/me/runs/last.ckpt")
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "metrics.csv").write_text("step,loss\n1,2\n")
    return folder


def recipe_of(pack: Pack) -> dict[str, Any]:
    return yaml.safe_load(pack.members["recipe.yaml"])


def test_the_figures_are_those_of_the_run_and_no_others(run: Path) -> None:
    pack = read_pack(pack_run(run))
    assert pack.path == Path("moco.sslrecipe")
    found = recipe_of(pack)
    card = card_of(found, "x")
    assert card is not None and card.status == "measured"
    assert [(f.metric, f.value, f.tolerance) for f in card.expected] == [
        ("knn20", 75.0, 4.47),
        ("linear", 75.0, 4.47),
    ]
    assert card.hardware == "2 x X1" and card.devices == 2
    assert card.minutes == round(3725.4 / 60, 2) and card.sslkit == "0.9.0"
    assert (card.name, card.dataset, card.paper) == ("small/moco", "CIFAR-10", "P")
    assert "old" not in pack.members["recipe.yaml"].decode()
    assert list(pack.sizes) == [
        "manifest.json",
        "recipe.yaml",
        "environment.json",
        "evaluation.json",
        "costs.json",
        "metrics.csv",
    ]
    assert found["evaluate"] is True and "extends" not in found
    assert next(iter(found)) == "recipe"


def test_nothing_says_where_the_run_was(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pack_run(run)
    assert b"/home/me" not in path.read_bytes() and b"data/birds" not in path.read_bytes()
    found = recipe_of(read_pack(path))
    assert found["data"] == {"limit": None}
    assert found["trainer"] == {
        "max_epochs": 8,
        "default_root_dir": None,
        "logger": None,
        "enable_progress_bar": None,
    }
    assert "data.source is left out (photos)" in capsys.readouterr().out


def test_the_same_run_makes_the_same_bytes(run: Path) -> None:
    first = pack_run(run, Path("a.sslrecipe")).read_bytes()
    os.utime(run / "metrics.csv", (0, 0))
    os.chmod(run / "config.yaml", 0o600)
    assert pack_run(run, Path("b.sslrecipe")).read_bytes() == first
    (run / "metrics.csv").write_text("step,loss\n1,3\n")
    assert pack_run(run, Path("b.sslrecipe")).read_bytes() != first


@pytest.mark.parametrize("missing", ["evaluation.json", "costs.json"])
def test_without_a_record_nothing_is_claimed(
    missing: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / missing).unlink()
    (run / "predictions.npz").unlink()
    card = card_of(recipe_of(read_pack(pack_run(run))), "x")
    assert card is not None
    assert (card.status, card.expected, card.hardware, card.minutes) == ("untested", [], None, None)
    words = {"costs.json": "does not say hardware, minutes", "evaluation.json": "no evaluation"}
    assert words[missing] in capsys.readouterr().out


def test_an_evaluation_of_something_else_is_left_out(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = run / "checkpoints/last.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    later = (run / "evaluation.json").stat().st_mtime + 3600
    os.utime(checkpoint, (later, later))
    pack = read_pack(pack_run(run))
    assert "is older than the checkpoint" in capsys.readouterr().out
    assert recipe_of(pack)["recipe"]["status"] == "untested" and "evaluation.json" not in pack.sizes
    os.utime(checkpoint, (0, 0))
    assert recipe_of(read_pack(pack_run(run)))["recipe"]["status"] == "measured"
    report = json.loads((run / "evaluation.json").read_text())
    limited = report | {"data": {"data": "x", "at most test images": 10}}
    (run / "evaluation.json").write_text(json.dumps(limited))
    assert recipe_of(read_pack(pack_run(run)))["recipe"]["status"] == "untested"
    assert "fewer images than there are" in capsys.readouterr().out


def test_a_changed_recipe_says_what_was_changed_and_on_which_images(run: Path) -> None:
    settings = config(status="untested", expected=[], changed=["data.source", "trainer.max_epochs"])
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    card = card_of(recipe_of(read_pack(pack_run(run, name="birds/mine"))), "x")
    assert card is not None and card.status == "measured"
    assert card.changed == ["data.source", "trainer.max_epochs"]
    assert card.name == "birds/mine"
    assert card.dataset == "birds: 1,000 training and 400 test images"


def test_code_of_ones_own_is_on_the_card_and_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = config()
    changed["model"]["init_args"] = {
        "views": {"class_path": "my_lab.views.Gentle"},
        "plugins": [{"class_path": "my_lab.views.Skip"}, {"class_path": "other.Plugin"}],
    }
    (run / "config.yaml").write_text(yaml.safe_dump(changed))
    pack = pack_run(run, Path("a.sslrecipe"), summary="Birds: gently.")
    card = card_of(recipe_of(read_pack(pack)), "x")
    assert card is not None and card.trust == ["my_lab.views", "other"]
    assert card.summary == "Birds: gently."
    told = " ".join(capsys.readouterr().out.split())
    assert "The code of my_lab.views is not in the pack" in told
    assert "and --trust other." in told
    assert (
        main(["recipe", "add", "a.sslrecipe", "--yes", "--trust", "my_lab", "--trust=other"]) == 0
    )
    shown = " ".join(capsys.readouterr().out.split())
    assert "summary Birds: gently." in shown
    assert "Next: sslkit reproduce user/small/moco" in shown
    assert "--trust my_lab.views --trust other" in shown


def test_the_command_takes_a_summary(run: Path) -> None:
    assert main(["recipe", "pack", str(run), "--summary", "Small birds.", "--name", "mine"]) == 0
    card = card_of(recipe_of(read_pack(Path("mine.sslrecipe"))), "x")
    assert card is not None and (card.summary, card.trust) == ("Small birds.", [])


def test_packing_needs_no_torch(run: Path) -> None:
    code = (
        "import sys, sslkit.cli as c\n"
        "assert c.main(['recipe', 'pack', sys.argv[1]]) == 0\n"
        "from pathlib import Path\n"
        "from sslkit.recipe.pack_reading import read_pack\n"
        "assert read_pack(Path('moco.sslrecipe')).members\n"
        "assert not {'torch', 'pytorch_lightning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_without_a_card_gets_one(run: Path) -> None:
    settings = config()
    del settings["recipe"]
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    pack = read_pack(pack_run(run))
    card = card_of(recipe_of(pack), "x")
    assert card is not None
    assert (card.name, card.method) == ("birds", "SimCLR")
    assert card.dataset.startswith("birds: 1,000 training")
    assert pack.path.name == "birds.sslrecipe"


@pytest.mark.parametrize("costs", [{"device": "cpu, 2 threads", "ranks": 1, "seconds": 0.1}])
def test_a_cpu_is_called_by_its_processor(costs: dict[str, Any], run: Path) -> None:
    (run / "costs.json").write_text(json.dumps(costs))
    card = card_of(recipe_of(read_pack(pack_run(run))), "x")
    assert card is not None
    assert (card.hardware, card.minutes, card.devices) == ("AMD EPYC, 2 threads", 0.01, None)


def test_what_cannot_be_packed(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.sslrecipe"):
        pack_run(run, Path("a.zip"))
    with pytest.raises(FileNotFoundError, match="there is no run"):
        pack_run(tmp_path / "nowhere")
    (run / "config.yaml").write_text("seed_everything: 0\n")
    with pytest.raises(ValueError, match="names no model"):
        pack_run(run)
    (run / "config.yaml").unlink()
    with pytest.raises(ValueError, match=r"has no config\.yaml"):
        pack_run(run)
    assert not list(tmp_path.glob("*.sslrecipe"))


def test_the_encoder_travels_along_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    encoder = cnn()
    run = written_run(tmp_path / "birds/version_0", encoder)
    (run / "evaluation.json").unlink()
    arguments = ["recipe", "pack", str(run), "--checkpoint", "--out"]
    assert main([*arguments, "a.sslrecipe"]) == 0
    assert main([*arguments, "b.sslrecipe"]) == 0
    assert Path("a.sslrecipe").read_bytes() == Path("b.sslrecipe").read_bytes()
    assert zipfile.ZipFile("a.sslrecipe").testzip() is None
    assert main(["recipe", "add", "a.sslrecipe", "--yes"]) == 0
    assert find_recipe("user/birds").is_file()
    loaded = load_encoder(user_folder() / "birds.safetensors")
    images = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        expected = encoder(encoder.preprocess(images))
        torch.testing.assert_close(loaded(loaded.preprocess(images)), expected)
    assert not loaded.training
