"""ViewGrid in training: it shows the run's own views and changes nothing."""

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import CSVLogger
from tiny import METHODS, images, trainer
from torch.utils.data import DataLoader, TensorDataset

from sslkit.callbacks import ViewGrid, view_grid
from sslkit.views import SimCLRViews

pytestmark = pytest.mark.filterwarnings("ignore:.*")


def fit(folder, *callbacks, seed: int = 3, **settings):
    pl.seed_everything(seed, verbose=False)
    views = SimCLRViews(size=16, mean=[0.4] * 3, std=[0.3] * 3)
    model = METHODS["SimCLR"](views=views)
    loader = DataLoader(TensorDataset(images(12)), batch_size=6)
    run = trainer(folder, callbacks=list(callbacks), logger=CSVLogger(folder), **settings)
    run.fit(model, loader)
    return run, model


def test_the_first_batchs_own_views_and_draws_are_drawn_once(tmp_path, monkeypatch):
    seen = []
    draw = view_grid.view_figure
    monkeypatch.setattr(
        view_grid, "view_figure", lambda *a, **k: seen.append((a, k)) or draw(*a, **k)
    )
    made = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            made.append([pl_module.views.pixels(view) for view in batch.views])

    run, model = fit(tmp_path, ViewGrid(images=4), Watch(), max_epochs=2)
    (((shown, views), words),) = seen
    assert torch.equal(torch.from_numpy(shown), images(12)[:4])
    for ours, theirs in zip(views, made[0], strict=True):
        assert (torch.from_numpy(ours) - theirs[:4] * 255).abs().max() < 0.51
    # The words are those of the draws that made these views.
    crop = model.views.views[1].operations[0]
    left, top, width, height = words["boxes"][2][1]
    assert words["drawn"][2][1][0].startswith(f"{width}x{height} at ({left}, {top})")
    cut = images(12)[2:3, :, top : top + height, left : left + width] / 255
    assert crop.size == 16
    plain = torch.nn.functional.interpolate(cut, (16, 16), mode="bicubic", antialias=True)
    if words["drawn"][2][1][0].endswith("mirrored"):
        plain = plain.flip(-1)
    if len(words["drawn"][2][1]) == 1:
        torch.testing.assert_close(made[0][1][2], plain[0].clamp(0, 1), rtol=0, atol=1e-2)
    with Image.open(f"{run.log_dir}/views.png") as picture:
        assert min(picture.size) > 300
    assert not model.views._forward_hooks
    assert not model.views._forward_pre_hooks


def test_the_network_is_bit_identical_without_it(tmp_path):
    (_, one), (_, other) = fit(tmp_path / "with", ViewGrid()), fit(tmp_path / "without")
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_ready_made_views_are_not_drawn(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(view_grid, "rank_zero_info", said.append)
    views = torch.rand(8, 3, 16, 16)
    loader = DataLoader([[views[i], views[i + 1]] for i in range(6)], batch_size=6)
    run = trainer(tmp_path, callbacks=[ViewGrid()])
    run.fit(METHODS["SimCLR"](), loader)
    assert said == ["ViewGrid has nothing to draw: the views of this run come ready-made."]
    assert not list(tmp_path.rglob("*.png"))


def test_what_it_cannot_show_is_refused(tmp_path):
    with pytest.raises(ValueError, match="images of at least 1, got 0"):
        ViewGrid(images=0)
    model = METHODS["SimCLR"]()
    model.views = torch.nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match=r"which must be sslkit.views.Views, and SimCLR has none"):
        ViewGrid().setup(trainer(tmp_path), model, "fit")
