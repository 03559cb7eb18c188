from collections import OrderedDict

import pytest
import torch
from torch import nn

from sslkit.nn import Encoder
from sslkit.nn.small_stem import use_small_stem

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}


def last_map(name: str, side: int, *, small: bool, options: dict) -> torch.Size:
    encoder = Encoder(name, small_images=small, options=options).eval()
    with torch.no_grad():
        return encoder.backbone.forward_features(torch.rand(1, 3, side, side)).shape[-2:]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "options", "side"),
    [
        # A stem of stride 4, of which nothing is left: 32 pixels shrink by 8 in the stages.
        ("resnet18", TINY, 4),
        ("resnet50d", TINY, 4),  # three convolutions
        ("resnetaa50", TINY, 4),  # anti-aliased pooling, two layers
        ("resnetrs50", TINY, 4),  # a strided convolution in place of the pooling
        ("resnetv2_50", TINY, 4),  # not at the top, named `pool`
        ("resnetv2_50", {**TINY, "stem_type": "fixed"}, 4),  # with padding of its own
        ("densenet121", {"growth_rate": 4, "block_config": [1, 1, 1, 1]}, 4),
        ("cspresnet50", {}, 4),
        ("convnext_atto", {"depths": [1, 1, 1, 1], "dims": [8, 8, 8, 8]}, 4),
        # A stem of stride 2 without pooling: their first stage shrinks too, and goes on doing so.
        ("regnetx_002", {}, 2),
        ("efficientnet_b0", {}, 2),
    ],
)
def test_the_stem_keeps_the_resolution(name: str, options: dict, side: int) -> None:
    assert last_map(name, 32, small=True, options=options) == (side, side)
    # The stem as it was throws away as much of a larger image.
    large = 32 * 4 if side == 4 else 32 * 2
    assert last_map(name, large, small=False, options=options) == (side, side)


def test_poolings_of_the_stages_stay() -> None:
    backbone = Encoder(
        "densenet121", small_images=True, options={"growth_rate": 4, "block_config": [1, 1, 1, 1]}
    ).backbone
    names = {n for n, m in backbone.named_modules() if isinstance(m, (nn.MaxPool2d, nn.AvgPool2d))}
    assert names == {f"features.transition{i}.pool" for i in (1, 2, 3)}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_224", r"begins with one convolution.*patch_size"),
        ("repvgg_a0", "begins with one convolution"),
        ("coatnet_nano_rw_224", "built for one size"),
        ("dla34", "keeps it as it is: leave small_images out"),
    ],
)
def test_a_stem_that_it_cannot_mend_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"small_images=True.*{message}"):
        Encoder(name, small_images=True)


def test_the_pooling_of_a_blocks_shortcut_stays() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pretrained_cfg = {"first_conv": "stem.conv"}
            self.stem = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 7, stride=2)))
            self.block = nn.ModuleDict(
                {"shortcut": nn.AvgPool2d(2), "conv": nn.Conv2d(4, 4, 3, stride=2)}
            )

    network = Network()
    use_small_stem(network, "network")
    assert network.stem.conv.stride == (1, 1)
    assert isinstance(network.block["shortcut"], nn.AvgPool2d)
