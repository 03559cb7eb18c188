import pytest
import torch

from sslkit.nn import Encoder, feature_maps


@pytest.fixture
def resnet():
    options = {"layers": [1, 1, 1, 1], "channels": [4, 6, 8, 10]}
    return Encoder("resnet18", small_images=True, in_channels=1, options=options).eval()


@pytest.fixture
def vit():
    options = {"patch_size": 4, "depth": 4, "embed_dim": 12, "num_heads": 3, "reg_tokens": 2}
    return Encoder("vit_tiny_patch16_224", image_size=16, options=options).eval()


def test_the_deepest_map_of_a_cnn_pools_to_its_features(resnet):
    x = torch.randn(2, 1, 24, 24)
    with torch.no_grad():
        (last,) = feature_maps(resnet, x)
        assert last.shape == (2, 10, 3, 3)
        torch.testing.assert_close(last.mean((2, 3)), resnet(x))
        shapes = [tuple(found.shape[1:]) for found in feature_maps(resnet, x, levels=3)]
        assert shapes == [(6, 12, 12), (8, 6, 6), (10, 3, 3)]
        assert len(feature_maps(resnet, x, levels=9)) == 4


def test_patches_of_a_vit_lie_where_they_are_in_the_image(vit):
    x = torch.randn(1, 3, 16, 16)
    moved = x.clone()
    moved[..., 8:12, 4:8] += 3  # the patch in row 2, column 1
    with torch.no_grad():
        vit.backbone.blocks = vit.backbone.blocks[:0]  # so that places do not mix
        vit.backbone.blocks.append(torch.nn.Identity())
        (a,), (b,) = feature_maps(vit, x), feature_maps(vit, moved)
    assert a.shape == (1, 12, 4, 4)
    changed = (a - b).abs().sum(1)[0] > 1e-4
    assert changed.nonzero().tolist() == [[2, 1]]


def test_maps_of_a_vit_are_spread_over_its_depth(vit):
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        tokens = vit.backbone.forward_features(x)[:, 3:]  # without class and register tokens
        maps = feature_maps(vit, x, levels=2)
    assert [tuple(found.shape) for found in maps] == [(2, 12, 4, 4)] * 2
    torch.testing.assert_close(maps[-1].flatten(2).transpose(1, 2), tokens)
    assert not torch.allclose(maps[0], maps[1])


def test_says_what_it_cannot_map(resnet):
    with pytest.raises(ValueError, match="levels must be at least 1, got 0"):
        feature_maps(resnet, torch.randn(1, 1, 24, 24), levels=0)
    resnet.backbone = torch.nn.Flatten()
    with pytest.raises(ValueError, match="'resnet18' has none"):
        feature_maps(resnet, torch.randn(1, 1, 24, 24))
