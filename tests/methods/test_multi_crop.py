"""Multi-crop from a recipe: small views go through the online branch and no other."""

from collections import Counter

import numpy as np
import pytest

from sslkit.cli import main
from sslkit.methods import BYOL
from sslkit.nn import Encoder, MomentumBranch
from sslkit.views import BYOLViews, MultiCropViews

RECIPE = """
seed_everything: 0
trainer:
  max_epochs: 1
  limit_train_batches: 2
  enable_progress_bar: false
model:
  class_path: sslkit.methods.BYOL
  init_args:
    encoder:
      class_path: sslkit.nn.Encoder
      init_args:
        name: resnet18
        small_images: true
        options: {layers: [1, 1, 1, 1], channels: [8, 8, 8, 16]}
    views:
      class_path: sslkit.views.MultiCropViews
      init_args: {size: 20, small_size: 12, small_views: 3, blur: false}
    hidden_dim: 16
    output_dim: 8
data:
  source: images.npz
  batch_size: 8
"""


@pytest.mark.filterwarnings("ignore:.*")
def test_small_views_are_encoded_online_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 24, 3), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    seen: Counter[tuple[str, int]] = Counter()

    def count(cls: type, name: str) -> None:
        forward = cls.forward

        def counted(self, x):
            seen[name, x.shape[-1]] += 1
            return forward(self, x)

        monkeypatch.setattr(cls, "forward", counted)

    count(Encoder, "encoder")
    count(MomentumBranch, "target")
    assert main(["fit", "--config", "recipe.yaml"]) == 0
    steps = 2
    # Both large views through both branches, whose encoders are of one class, and three small ones.
    assert seen == {
        ("target", 20): 2 * steps,
        ("encoder", 20): 4 * steps,
        ("encoder", 12): 3 * steps,
    }
    (metrics,) = tmp_path.glob("runs/**/metrics.csv")
    assert "train/loss" in metrics.read_text()


def test_byol_asks_for_what_its_views_make():
    encoder = {"small_images": True, "options": {"layers": [1, 1, 1, 1], "channels": [8] * 4}}
    for views, online in ((BYOLViews(size=16), 2), (MultiCropViews(size=16, small_size=8), 8)):
        model = BYOL(
            encoder=Encoder("resnet18", **encoder), views=views, hidden_dim=16, output_dim=8
        )
        assert model.objective.routes.online == tuple(range(online))
        assert model.objective.routes.target == (0, 1)
