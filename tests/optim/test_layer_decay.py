import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from sslkit.nn import Encoder
from sslkit.optim import layer_decay_groups

VIT = {"depth": 3, "embed_dim": 24, "num_heads": 2, "patch_size": 8}
CNN = {"layers": [1, 2, 1, 1], "channels": [8, 8, 8, 8]}


def encoder(name):
    if name.startswith("vit"):
        return Encoder(name, image_size=32, options=VIT)
    return Encoder(name, small_images=True, options=CNN)


def by_name(module, groups, key):
    names = {id(p): n for n, p in module.named_parameters()}
    return {names[id(p)]: group.get(key) for group in groups for p in group["params"]}


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18"])
@pytest.mark.parametrize("exclude", [True, False])
def test_scales_and_decay_are_those_of_timms_whole_model(name, exclude):
    options = {"img_size": 32, **VIT} if name.startswith("vit") else CNN
    whole = timm.create_model(name, num_classes=7, **options)
    expected = param_groups_layer_decay(
        whole,
        weight_decay=0.1,
        no_weight_decay_list=tuple(getattr(whole, "no_weight_decay", set)()) if exclude else (),
        weight_decay_exclude_1d=exclude,
        layer_decay=0.7,
    )
    scales, decays = (by_name(whole, expected, key) for key in ("lr_scale", "weight_decay"))
    backbone = encoder(name).backbone
    parts = nn.ModuleDict({"backbone": backbone, "head": nn.Linear(4, 7)})
    groups = layer_decay_groups(
        parts["backbone"], parts["head"], decay=0.7, exclude_bias_and_norm=exclude
    )
    own_scales, own_decays = (by_name(parts, groups, key) for key in ("lr_scale", "weight_decay"))
    assert own_scales.keys() == dict(parts.named_parameters()).keys()
    for own, scale in own_scales.items():
        theirs = own.removeprefix("backbone.").replace(
            "head.", "fc." if name[0] == "r" else "head."
        )
        assert scale == pytest.approx(scales[theirs]), own
        assert (own_decays[own] == 0.0) == (decays[theirs] == 0.0), own


def test_a_decay_of_one_is_one_rate_for_all():
    groups = layer_decay_groups(
        encoder("resnet18").backbone, nn.Linear(8, 2), decay=1.0, exclude_bias_and_norm=False
    )
    assert {group["lr_scale"] for group in groups} == {1.0}


def test_what_is_frozen_is_left_out():
    backbone = encoder("resnet18").backbone
    backbone.conv1.requires_grad_(False)
    groups = layer_decay_groups(backbone, nn.Linear(8, 2), decay=0.5, exclude_bias_and_norm=True)
    taken = {id(p) for group in groups for p in group["params"]}
    assert id(backbone.conv1.weight) not in taken
    torch.optim.SGD(groups, lr=0.1)  # which takes the groups as they are


@pytest.mark.parametrize("decay", [0.0, 1.1, -0.5])
def test_refuses_a_decay_out_of_range(decay):
    with pytest.raises(ValueError, match="layer_decay must be above 0 and at most 1"):
        layer_decay_groups(
            encoder("resnet18").backbone, nn.Linear(8, 2), decay=decay, exclude_bias_and_norm=True
        )
