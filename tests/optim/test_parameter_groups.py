import pytest
import timm
import torch
from torch import nn

from sslkit.optim import LARS, parameter_groups


class Method(nn.Module):
    """A backbone two modules down, as in a training method."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.backbone = backbone
        self.projector = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))


def names(module: nn.Module, group: dict) -> set[str]:
    ids = {id(p) for p in group["params"]}
    return {name for name, p in module.named_parameters() if id(p) in ids}


def test_biases_and_normalisation_are_excluded() -> None:
    method = Method(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    decayed, excluded = parameter_groups(method, exclude_bias_and_norm=True)
    assert set(decayed) == {"params"}
    assert names(method, decayed) == {
        "encoder.backbone.0.weight",
        "projector.0.weight",
        "projector.2.weight",
    }
    assert excluded["weight_decay"] == 0.0 and excluded["excluded"] is True
    assert all(p.ndim == 1 for p in excluded["params"])
    together = [id(p) for group in (decayed, excluded) for p in group["params"]]
    assert sorted(together) == sorted(id(p) for p in method.parameters())


def test_a_vision_transformer_names_its_own() -> None:
    method = Method(
        timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, embed_dim=12, num_classes=0)
    )
    decayed, excluded = parameter_groups(method, exclude_bias_and_norm=True)
    matrices = {name for name in names(method, excluded) if method.get_parameter(name).ndim > 1}
    assert matrices == {"encoder.backbone.pos_embed", "encoder.backbone.cls_token"}
    assert "encoder.backbone.patch_embed.proj.weight" in names(method, decayed)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 1, 4))
        self.mixer = nn.Linear(4, 4)

    def no_weight_decay(self) -> set[str]:
        return {"token", "absent"}


def test_names_are_relative_to_the_module_that_lists_them() -> None:
    module = nn.ModuleDict({"a": Tokens(), "token": nn.Linear(3, 3)})
    _, excluded = parameter_groups(module, exclude_bias_and_norm=True)
    assert names(module, excluded) == {"a.token", "a.mixer.bias", "token.bias"}


def test_a_shared_parameter_is_taken_once_and_under_any_of_its_names() -> None:
    module = nn.ModuleDict({"first": nn.Linear(4, 4, bias=False), "tokens": Tokens()})
    module["tokens"].token = module["first"].weight
    groups = parameter_groups(module, exclude_bias_and_norm=True)
    assert names(module, groups[1]) == {"first.weight", "tokens.mixer.bias"}
    assert sum(len(group["params"]) for group in groups) == 3


def test_nothing_is_excluded_on_request() -> None:
    method = Method(nn.Linear(8, 8))
    (group,) = parameter_groups(method, exclude_bias_and_norm=False)
    assert set(group) == {"params"}
    assert len(group["params"]) == len(list(method.parameters()))


@pytest.mark.parametrize("exclude", [True, False])
def test_frozen_parameters_are_left_out(exclude: bool) -> None:
    method = Method(nn.Linear(8, 8))
    method.encoder.requires_grad_(False)
    groups = parameter_groups(method, exclude_bias_and_norm=exclude)
    found = set().union(*(names(method, group) for group in groups))
    assert found == {n for n, _ in method.named_parameters() if n.startswith("projector")}


def test_no_empty_group() -> None:
    (only,) = parameter_groups(nn.BatchNorm1d(3), exclude_bias_and_norm=True)
    assert only["excluded"] is True
    (only,) = parameter_groups(nn.Linear(3, 3, bias=False), exclude_bias_and_norm=True)
    assert "excluded" not in only


def test_nothing_trainable() -> None:
    with pytest.raises(ValueError, match="Linear has no trainable parameter"):
        parameter_groups(nn.Linear(3, 3).requires_grad_(False), exclude_bias_and_norm=True)


@pytest.mark.parametrize("build", [LARS, torch.optim.SGD, torch.optim.AdamW])
def test_optimisers_take_the_groups(build: type) -> None:
    groups = parameter_groups(nn.Linear(3, 3), exclude_bias_and_norm=True)
    optimiser = build(groups, lr=0.1, weight_decay=0.3)
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.3, 0.0]
    assert optimiser.param_groups[1]["excluded"] is True
