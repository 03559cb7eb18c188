import pytest
import torch

from sslkit.views import (
    BYOLViews,
    FromModule,
    Operation,
    RandomResizedCrop,
    View,
    Views,
    read_draws,
    write_draws,
)


class Nothing(Operation):
    def draw(self, n, generator=None):
        return {}

    def apply(self, images, params):
        return images


def test_views_are_replayed_from_a_file(tmp_path):
    images = torch.randint(0, 256, (5, 3, 24, 24), dtype=torch.uint8)
    views = BYOLViews(size=16, after=[Nothing(), torch.nn.Dropout(0.5)])
    draws = views.draw(5, torch.Generator().manual_seed(0))
    write_draws(tmp_path / "draws.safetensors", draws)
    found = read_draws(tmp_path / "draws.safetensors")
    assert [[sorted(draw) for draw in view] for view in found] == [
        [sorted(draw) for draw in view] for view in draws
    ]
    assert isinstance(views.views[0].operations[-1], FromModule)
    for ours, replayed in zip(views.apply(images, draws), views.apply(images, found), strict=True):
        assert torch.equal(ours, replayed)


def test_draws_of_a_view_that_draws_nothing_keep_their_place(tmp_path):
    views = Views([View([Nothing(), RandomResizedCrop(size=8), Nothing()])])
    write_draws(tmp_path / "draws", views.draw(2))
    assert [len(draw) for draw in read_draws(tmp_path / "draws")[0]] == [0, 5, 0]


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"not what it says")
    with pytest.raises(ValueError, match=r"other.safetensors holds no draws"):
        read_draws(other)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_draws(tmp_path / "none")
