"""``sslkit embed`` from outside, on an encoder that nothing has trained."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sslkit.cli import main
from sslkit.data import ImageDataModule
from sslkit.evaluation import extract_features
from sslkit.nn import Encoder, load_encoder

CHECKPOINT = "run/checkpoints/last.ckpt"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's folder with a tiny untrained checkpoint, and with a config that names quickstart."""
    monkeypatch.chdir(tmp_path)
    options = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 4]}
    encoder = Encoder("resnet18", in_channels=1, image_size=28, options=options).reinitialised(0)
    encoder.set_statistics([0.3], [0.3])
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    record = {"format": 1, "version": "0", "encoder": encoder.spec()}
    Path(CHECKPOINT).parent.mkdir(parents=True)
    torch.save({"state_dict": state, "sslkit": record}, CHECKPOINT)
    Path("run/config.yaml").write_text("data: {source: quickstart, batch_size: 8}")


def embed(*arguments: str) -> int:
    return main(["embed", *arguments, "--device", "cpu"])


def fails(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert embed(*arguments) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return " ".join(shown.split())


def save_images(folder: str, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(Path(folder, name))


def test_the_embedded_images_end_to_end(run, capsys):
    assert embed("run") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "5,000 train and 1,000 test images, 4 each, written to features.npz" in shown
    with np.load("features.npz", allow_pickle=False) as found:
        columns = dict(found)
    assert set(columns) == {"split", "index", "features", "label", "about"}
    data = ImageDataModule("quickstart", batch_size=256)
    data.setup()
    test = extract_features(load_encoder(CHECKPOINT), data.eval_dataloader("test"))
    of_test = columns["split"] == "test"
    np.testing.assert_array_equal(columns["features"][of_test], test.features.numpy())
    np.testing.assert_array_equal(columns["label"][of_test], test.labels.numpy())
    assert columns["index"].tolist() == [*range(5000), *range(1000)]
    about = json.loads(str(columns["about"]))
    assert about["classes"][0] == "T-shirt/top" and about["checkpoint"] == CHECKPOINT
    kept = sorted(path.name for path in Path("run/features").iterdir())
    assert len(kept) == 2
    # A second time from the cache, another file, one split.
    assert embed(CHECKPOINT, "--split", "test", "--out", "new/test.npz") == 0
    with np.load("new/test.npz") as found:
        np.testing.assert_array_equal(found["features"], test.features.numpy())
    assert sorted(path.name for path in Path("run/features").iterdir()) == kept


def test_images_in_folders_have_paths(run):
    save_images("labelled", ["train/b/2.png", "train/a/1.png", "test/a/3.png", "test/b/4.png"])
    assert embed("run", "--data", "labelled", "--cache", "cache") == 0
    with np.load("features.npz") as found:
        assert found["path"].tolist() == [
            "labelled/train/a/1.png",
            "labelled/train/b/2.png",
            "labelled/test/a/3.png",
            "labelled/test/b/4.png",
        ]
        assert found["label"].tolist() == [0, 1, 0, 1]
        assert found["features"].shape == (4, 4)
    assert len(list(Path("cache").iterdir())) == 2 and not Path("run/features").exists()


def test_several_classes_an_image_are_columns(run):
    save_images("tables", ["train/1.png", "train/2.png", "train/3.png", "test/1.png"])
    Path("tables/train/labels.csv").write_text("image,classes\n1.png,b;a\n2.png,\n3.png,c\n")
    assert embed("run", "--data", "tables", "--split", "train") == 0
    with np.load("features.npz") as found:
        assert found["label"].dtype == bool
        assert found["label"].tolist() == [[True, True, False], [False] * 3, [False, False, True]]
        assert json.loads(str(found["about"]))["classes"] == ["a", "b", "c"]
    for text, last in (("classes\n1.png,a;c\n", [1, 0, 1]), ("class\n1.png,b\n", [0, 1, 0])):
        Path("tables/test/labels.csv").write_text(f"image,{text}")
        assert embed("run", "--data", "tables", "--overwrite") == 0
        with np.load("features.npz") as found:  # of both splits, one class and several
            assert found["label"].shape == (4, 3) and found["label"][3].tolist() == last
    Path("tables/test/labels.csv").unlink()
    assert embed("run", "--data", "tables", "--overwrite") == 0
    with np.load("features.npz") as found:
        assert not found["label"][3].any()


def test_images_without_labels_have_none(run):
    save_images("flat", ["x.png", "y.png"])
    assert embed("run", "--data", "flat") == 0
    with np.load("features.npz") as found:
        assert set(found) == {"split", "index", "path", "features", "about"}


def test_an_earlier_file_is_not_replaced_unasked(run, capsys):
    Path("features.npz").write_text("mine")
    save_images("flat", ["x.png", "y.png"])
    shown = fails(capsys, "run", "--data", "flat")
    assert "features.npz is there already and is not overwritten" in shown
    assert Path("features.npz").read_text() == "mine" and not Path("run/features").exists()
    assert embed("run", "--data", "flat", "--overwrite") == 0
    assert np.load("features.npz")["features"].shape == (2, 4)


def test_a_table_for_other_tools(run):
    parquet = pytest.importorskip("pyarrow.parquet")
    save_images("flat", ["x.png", "y.png"])
    assert embed("run", "--data", "flat", "--out", "f.parquet") == 0
    assert parquet.read_table("f.parquet")["path"].to_pylist() == ["flat/x.png", "flat/y.png"]


def test_what_is_wrong_is_said_and_nothing_is_written(run, capsys, monkeypatch):
    assert "there is no checkpoint at none" in fails(capsys, "none")
    assert "let its name end in .npz" in fails(capsys, "run", "--out", "features.txt")
    assert "There is no val split" in fails(capsys, "run", "--split", "val")
    assert "does not exist" in fails(capsys, "run", "--data", "nowhere")
    assert "sslkit embed --help" in fails(capsys, "run", "--split", "everything")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "sslkit[parquet]" in fails(capsys, "run", "--out", "features.parquet")
    assert sorted(path.name for path in Path().iterdir()) == ["run"]
    assert not Path("run/features").exists()
