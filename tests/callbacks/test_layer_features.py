import pytest
import torch
from torch import nn

from sslkit.callbacks.layer_features import LayerFeatures
from sslkit.nn import Encoder

CNN = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 12]}
VIT = {"depth": 2, "embed_dim": 24, "num_heads": 2, "patch_size": 8}


def test_feature_maps_are_averaged_over_places():
    encoder = Encoder("resnet18", small_images=True, options=CNN).eval()
    watched = LayerFeatures(encoder, ["layer1", "layer4.0"])
    watched.start()
    x = torch.rand(3, 3, 16, 16)
    features = encoder(x)
    first, last = watched.take(3)
    assert (first.shape, last.shape) == ((3, 8), (3, 12))
    torch.testing.assert_close(last, features.detach())  # which is the mean of the last map
    assert not first.requires_grad


def test_tokens_are_averaged_and_half_precision_becomes_float32():
    encoder = Encoder("vit_tiny_patch16_224", image_size=16, options=VIT).eval()
    watched = LayerFeatures(encoder, ["blocks.0"])
    kept = []
    encoder.backbone.blocks[0].register_forward_hook(lambda m, i, o: kept.append(o))
    watched.start()
    with torch.autocast("cpu", torch.bfloat16):
        encoder(torch.rand(2, 3, 16, 16))
    (rows,) = watched.take(2)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, kept[0].float().mean(1), rtol=1e-2, atol=1e-2)


def test_views_are_kept_in_the_order_of_their_encoding_and_only_between_start_and_take():
    encoder = nn.Sequential(nn.Linear(2, 2))
    watched = LayerFeatures(encoder, ["0"])
    encoder(torch.zeros(5, 2))  # before
    watched.start()
    views = torch.rand(4, 2), torch.rand(4, 2)
    out = torch.cat([encoder(view) for view in views])
    torch.testing.assert_close(watched.take(8)[0], out.detach())
    encoder(torch.zeros(5, 2))  # after
    watched.start()
    encoder(views[0]), encoder(views[0])  # as when activations are computed again
    assert len(watched.take(4)[0]) == 4
    watched.close()
    assert not encoder[0]._forward_hooks


def test_a_layer_that_is_not_run_for_every_image_is_an_error():
    encoder = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    watched = LayerFeatures(encoder, ["1"])
    watched.start()
    encoder[0](torch.zeros(5, 2))
    with pytest.raises(ValueError, match="the layer 1 saw 0 of 5 images"):
        watched.take(5)


def test_maps_with_channels_last_are_averaged_over_their_places():
    class Swin(nn.Module):
        output_fmt = "NHWC"

        def __init__(self):
            super().__init__()
            self.layers = nn.Identity()

        def forward(self, x):
            return self.layers(x)

    backbone = Swin()
    watched = LayerFeatures(backbone, ["layers"])
    watched.start()
    x = torch.rand(2, 5, 5, 3)
    backbone(x)
    torch.testing.assert_close(watched.take(2)[0], x.mean((1, 2)))
