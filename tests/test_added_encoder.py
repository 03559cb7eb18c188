"""The encoder of a pack that somebody sent, in every place where a run's checkpoint goes."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from runs import cnn, written_run
from torch import Tensor

from sslkit.cli import main
from sslkit.configs.finding import user_folder
from sslkit.methods import LinearProbe
from sslkit.nn import Encoder, load_encoder
from sslkit.views import WeakViews

CARD = "{name: birds, method: SimCLR, dataset: birds, summary: A test., seed: 0, status: untested}"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, in which nothing of the run is."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    return tmp_path / "elsewhere"


def images(channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (4, channels, 28, 28), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def test_it_goes_where_a_checkpoint_goes(elsewhere: Path, capsys) -> None:
    encoder = cnn()
    run = written_run(elsewhere.parent / "birds/version_0", encoder)
    (run / "evaluation.json").unlink()
    (run / "config.yaml").write_text(
        f"recipe: {CARD}\nmodel: {{class_path: sslkit.methods.SimCLR}}\ndata: {{source: /me/b}}\n"
    )
    assert main(["recipe", "pack", str(run), "--checkpoint", "--out", "birds.sslrecipe"]) == 0
    assert main(["recipe", "add", "birds.sslrecipe", "--yes"]) == 0
    kept = sorted(user_folder().iterdir())
    expected = encoder(encoder.preprocess(images()))
    packed = str(user_folder() / "birds.safetensors")

    assert main(["export", "user/birds", "--to", "timm", "--out", "encoder.safetensors"]) == 0
    card = Path("encoder.safetensors.md").read_text()
    assert "trained without labels with SimCLR" in card and "data.source is left out" not in card
    assert main(["export", packed, "--to", "safetensors", "--out", "again.safetensors"]) == 0
    for file in (packed, "again.safetensors"):
        loaded = load_encoder(file)
        torch.testing.assert_close(loaded(loaded.preprocess(images())), expected)

    label = np.arange(60) % 3
    pixels = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    halves = {"x_train": pixels[:40], "y_train": label[:40]}
    np.savez("photos.npz", x_test=pixels[40:], y_test=label[40:], **halves)
    capsys.readouterr()
    assert main(["evaluate", "user/birds"]) == 1
    assert "leaves its images to you: give --data" in " ".join(capsys.readouterr().err.split())
    assert main(["evaluate", "user/birds", "--data", "photos.npz", "--device", "cpu"]) == 0
    report = "runs/evaluated/birds/evaluation-photos/evaluation.json"
    assert json.loads(Path(report).read_text())["n_test"] == 20
    assert main(["embed", packed, "--data", "photos.npz", "--device", "cpu"]) == 0
    with np.load("features.npz") as found:
        assert found["features"].shape == (60, encoder.num_features)

    weights = Encoder(**{**encoder.spec(), "weights": packed})
    weights.set_statistics(encoder.mean.tolist(), encoder.std.tolist())
    torch.testing.assert_close(weights.eval()(weights.preprocess(images())), expected)
    probe = LinearProbe(checkpoint=packed, views=WeakViews(size=28))
    torch.testing.assert_close(probe.encoder.eval()(encoder.preprocess(images())), expected)
    assert sorted(user_folder().iterdir()) == kept  # what is found of it is kept elsewhere


@pytest.mark.slow
@torch.no_grad()
def test_from_a_fit_to_a_pack_to_timm_with_equal_features(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ["--trainer.max_epochs=1", "--data.limit=512", "--trainer.callbacks=null"]
    assert main(["fit", "--config", "quickstart", "--evaluate=false", *short]) == 0
    run = Path("runs/quickstart/version_0")
    command = ["recipe", "pack", str(run), "--checkpoint", "--name", "first_run"]
    assert main([*command, "--out", "first_run.sslrecipe"]) == 0
    own = load_encoder(run / "checkpoints/last.ckpt")
    with torch.enable_grad():
        assert main(["recipe", "add", "first_run.sslrecipe", "--yes"]) == 0
    run.rename(elsewhere.parent / "gone")
    assert main(["export", "user/first_run", "--to", "timm", "--out", "encoder.safetensors"]) == 0
    shown = Path("encoder.safetensors.md").read_text().split("```python\n")[1].split("\n```")[0]
    names: dict = {}
    exec(shown, names)
    assert isinstance(names["model"], timm.models.ResNet)
    x = own.preprocess(images())
    expected = own(x)
    assert expected.std(0).max() > 1e-3
    torch.testing.assert_close(names["model"].eval()(x), expected, rtol=1e-5, atol=1e-5)
